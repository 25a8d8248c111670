// Interactive elements. A field is one live node, which an edit around it leaves alone (see morph); what it holds is
// read by `valueOf` in the shape that Slack's payloads have.

import { picture, unknown } from "./blocks.js";
import { combo } from "./combobox.js";
import { h, icon } from "./dom.js";
import { link, textOf, wordsOf } from "./mrkdwn.js";
import { state } from "./state.js";

const HOLDS = {
  plain_text_input: ["value", "initial_value"],
  number_input: ["value", "initial_value"],
  email_text_input: ["value", "initial_value"],
  url_text_input: ["value", "initial_value"],
  rich_text_input: ["rich_text_value", "initial_value"],
  static_select: ["selected_option", "initial_option"],
  external_select: ["selected_option", "initial_option"],
  radio_buttons: ["selected_option", "initial_option"],
  multi_static_select: ["selected_options", "initial_options"],
  multi_external_select: ["selected_options", "initial_options"],
  checkboxes: ["selected_options", "initial_options"],
  users_select: ["selected_user", "initial_user"],
  multi_users_select: ["selected_users", "initial_users"],
  channels_select: ["selected_channel", "initial_channel"],
  multi_channels_select: ["selected_channels", "initial_channels"],
  conversations_select: ["selected_conversation", "initial_conversation"],
  multi_conversations_select: ["selected_conversations", "initial_conversations"],
  datepicker: ["selected_date", "initial_date"],
  timepicker: ["selected_time", "initial_time"],
  datetimepicker: ["selected_date_time", "initial_date_time"],
};

export function drawElement(body, where) {
  if (body.visible_to_user_ids && !body.visible_to_user_ids.includes(state.me)) return null;
  if (Object.hasOwn(HOLDS, body.type)) return drawField(body, where);
  const known = {
    button,
    workflow_button: button,
    icon_button: iconButton,
    feedback_buttons: feedback,
    overflow,
    image: thumbnail,
  };
  return Object.hasOwn(known, body.type) ? known[body.type](body, where) : unknown("an element", body);
}

const thumbnail = (body) => picture(body, "thumb");

// One button of two that look alike: another value is another thing that is clicked.
const which = (body) => JSON.stringify([body.action_id, body.value]);

// What is clicked carries what the click needs; acts.js listens once for all of them.
const clickable = (body) => ({
  use: "click",
  actionId: body.action_id,
  which: which(body),
  confirm: body.confirm ? JSON.stringify(body.confirm) : null,
});

function button(body) {
  const kind = { primary: "primary", danger: "danger" }[body.style] ?? "";
  const label = body.accessibility_label ?? null;
  const address = body.url && link(String(body.url), textOf(body.text));
  if (address) {
    address.className = `button ${kind}`;
    Object.assign(address.dataset, { use: "click", actionId: body.action_id, which: which(body) });
    return address;
  }
  return h(
    "button",
    { type: "button", class: `button ${kind}`, "aria-label": label, data: clickable(body) },
    textOf(body.text),
  );
}

function iconButton(body) {
  return h(
    "button",
    { type: "button", class: "button", "aria-label": wordsOf(body.text), data: clickable(body) },
    textOf(body.text),
  );
}

function feedback(body) {
  return [body.positive_button, body.negative_button]
    .filter(Boolean)
    .map((one) => h("button", { type: "button", class: "button", data: clickable(body) }, textOf(one.text)));
}

function overflow(body) {
  const options = (body.options ?? []).map((option) => ({
    option,
    label: wordsOf(option.text),
    note: option.description ? wordsOf(option.description) : "",
  }));
  const data = { ...clickable(body), use: "overflow", options: JSON.stringify(options) };
  return h(
    "button",
    { type: "button", class: "button round", "aria-haspopup": "menu", "aria-label": "More choices", data },
    icon("more"),
  );
}

function drawField(body, where) {
  const [held, initial] = HOLDS[body.type];
  const stored = where.values?.[where.block?.block_id]?.[body.action_id];
  const value = stored?.[held] ?? body[initial] ?? null;
  const data = {
    live: JSON.stringify([body, where.isInvalid, where.id]),
    use: "field",
    kind: body.type,
    actionId: body.action_id,
    which: which(body),
    confirm: body.confirm ? JSON.stringify(body.confirm) : null,
    typed: body.dispatch_action_config?.trigger_actions_on?.includes("on_character_entered") ? "told" : null,
  };
  const name = where.label ?? wordsOf(body.placeholder ?? body.text) ?? body.action_id;
  return h(
    "div",
    { class: `field-of ${body.type.replaceAll("_", "-")}`, data },
    fieldOf(body, { ...where, value, name: name || body.action_id }),
  );
}

function fieldOf(body, where) {
  if (body.type.endsWith("_select")) return combo(body, where);
  if (body.type === "checkboxes")
    return boxes(
      body,
      where,
      "checkbox",
      (where.value ?? []).map((one) => one.value),
    );
  if (body.type === "radio_buttons") return boxes(body, where, "radio", [where.value?.value]);
  const common = {
    id: where.id ?? null,
    "aria-label": where.id ? null : where.name,
    "aria-describedby": where.described || null,
    "aria-invalid": where.isInvalid ? "true" : null,
    placeholder: body.placeholder ? wordsOf(body.placeholder) : null,
    "aria-required": where.block?.type === "input" && !where.block.optional ? "true" : null,
  };
  const field = plainField(body, common);
  field.value = shown(body, where.value);
  return field;
}

function plainField(body, common) {
  if (body.type === "plain_text_input" || body.type === "rich_text_input") {
    const limits = { minlength: body.min_length, maxlength: body.max_length };
    const isLong = body.multiline || body.type === "rich_text_input";
    return isLong
      ? h("textarea", { ...common, ...limits, rows: 4 })
      : h("input", { ...common, ...limits, type: "text", autocomplete: "off" });
  }
  const types = {
    number_input: "text",
    email_text_input: "email",
    url_text_input: "url",
    datepicker: "date",
    timepicker: "time",
    datetimepicker: "datetime-local",
  };
  const more = body.type === "number_input" ? { inputmode: body.is_decimal_allowed ? "decimal" : "numeric" } : {};
  return h("input", { ...common, ...more, type: types[body.type], autocomplete: "off" });
}

function shown(body, value) {
  if (value === null || value === undefined) return "";
  if (body.type === "datetimepicker") return local(new Date(value * 1000));
  if (body.type === "rich_text_input")
    return (value.elements ?? [])
      .map((part) => (part.elements ?? []).map((atom) => atom.text ?? "").join(""))
      .join("\n");
  return String(value);
}

// "2026-11-23T14:22" in the reader's own time zone, as datetime-local wants it.
const local = (at) => new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);

let groups = 0;

function boxes(body, where, type, chosen) {
  const group = `g${(groups += 1)}`;
  const options = (body.options ?? []).map((option, index) => {
    const field = h("input", { type, name: group, value: String(index) });
    field.checked = chosen.includes(option.value);
    const note = option.description ? h("span", { class: "subtitle" }, textOf(option.description)) : null;
    return h("label", { class: "choice" }, field, h("span", {}, textOf(option.text), note));
  });
  const labelled = where.id ? { "aria-labelledby": `${where.id}-label` } : { "aria-label": where.name };
  const drawn = h(
    "div",
    {
      role: type === "radio" ? "radiogroup" : "group",
      ...labelled,
      "aria-describedby": where.described || null,
      class: "choices",
    },
    options,
  );
  drawn.options = body.options ?? [];
  return drawn;
}

/** What a field holds now. */
export function valueOf(field) {
  const kind = field.dataset.kind;
  const inner = field.firstElementChild;
  if (kind.endsWith("_select")) return inner.chosen();
  const checked = [...field.querySelectorAll("input:checked")].map((one) =>
    plainOption(inner.options[Number(one.value)]),
  );
  if (kind === "checkboxes") return checked;
  if (kind === "radio_buttons") return checked[0] ?? null;
  const text = inner.value;
  if (!text) return null;
  if (kind === "datetimepicker") return Math.round(new Date(text).getTime() / 1000);
  if (kind === "rich_text_input")
    return { type: "rich_text", elements: [{ type: "rich_text_section", elements: [{ type: "text", text }] }] };
  return text;
}

const plainOption = (option) => ({ text: option.text, value: option.value });
