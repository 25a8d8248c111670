// Block Kit, block by block; one that this page cannot draw is a box that says so.

import { h, hidden, icon } from "./dom.js";
import { drawElement } from "./elements.js";
import { link, plain, textOf, wordsOf } from "./mrkdwn.js";
import { markdown, richText } from "./richtext.js";

/** where: {key: of the message or view, values: state.values of a view, errors: by block_id}. */
export function drawBlocks(blocks, where = {}) {
  return (blocks ?? []).map((block, index) => drawBlock(block, where, index));
}

function drawBlock(block, where, index) {
  const kind = String(block?.type ?? "none").replace(/\W/g, "-");
  return h(
    "div",
    { class: `block block-${kind}`, data: { blockId: block?.block_id ?? "", index } },
    drawnOrTold(block, { ...where, index }),
  );
}

function drawnOrTold(block, where) {
  try {
    if (Object.hasOwn(BLOCKS, block?.type)) return BLOCKS[block.type](block, where);
  } catch {
    // A block of a known type in a form that it never has: one of them must not take all messages along.
  }
  return unknown("a block", block);
}

export function unknown(what, body) {
  return h(
    "details",
    { class: "unknown" },
    h("summary", {}, `This page cannot draw ${what} of the type “${String(body?.type ?? "none").slice(0, 80)}”`),
    h("pre", {}, JSON.stringify(body, null, 2)?.slice(0, 5000) ?? String(body)),
  );
}

const heading = (text, level = 4) => h("div", { class: "block-title", role: "heading", "aria-level": level }, text);

const BLOCKS = {
  header: (block) => h("div", { class: "header-text", role: "heading", "aria-level": 3 }, textOf(block.text)),
  divider: () => h("hr"),
  rich_text: richText,
  markdown: (block) => markdown(String(block.text ?? "")),
  section: (block, where) => [
    h(
      "div",
      { class: "section-body" },
      block.text ? h("div", { class: "section-text" }, textOf(block.text)) : null,
      block.fields
        ? h(
            "div",
            { class: "fields" },
            block.fields.map((field) => h("div", { class: "field" }, textOf(field))),
          )
        : null,
    ),
    block.accessory ? h("div", { class: "accessory" }, drawElement(block.accessory, { ...where, block })) : null,
  ],
  context: (block, where) =>
    (block.elements ?? []).map((element) =>
      element.type === "image"
        ? drawElement(element, { ...where, block })
        : h("span", { class: "context-text" }, textOf(element)),
    ),
  actions: (block, where) => (block.elements ?? []).map((element) => drawElement(element, { ...where, block })),
  context_actions: (block, where) => (block.elements ?? []).map((element) => drawElement(element, { ...where, block })),
  image: (block) => h("figure", {}, block.title ? h("figcaption", {}, textOf(block.title)) : null, picture(block)),
  input: drawInput,
  plan: drawPlan,
  task_card: (block) => h("ol", { class: "tasks alone" }, drawTask(block)),
  table: drawTable,
  alert: (block) => h("div", { class: `alert alert-${word(block.level)}`, role: "note" }, textOf(block.text)),
  card: drawCard,
  carousel: (block, where) =>
    h(
      "div",
      { class: "carousel" },
      (block.elements ?? []).map((card) => h("div", { class: "block-card" }, drawCard(card, where))),
    ),
  container: (block, where) => [
    block.title ? heading(textOf(block.title)) : null,
    drawBlocks(block.child_blocks, where),
  ],
  file: (block) => h("p", { class: "file-line" }, icon("file"), `File ${block.external_id ?? ""}`),
  video: drawVideo,
};

const word = (value) => String(value ?? "default").replace(/\W/g, "");

/** A picture of this workspace; the page loads none from elsewhere and says so. */
export function picture(body, name = "picture") {
  const alt = String(body.alt_text ?? "");
  if (body.slack_file?.id)
    return h("img", { class: name, src: `/page/file/${encodeURIComponent(body.slack_file.id)}`, alt });
  const address = String(body.image_url ?? "");
  if (address.startsWith(`${location.origin}/`)) return h("img", { class: name, src: address, alt });
  const source = link(address, "its address") ?? "no usable address";
  return h(
    "div",
    { class: `${name} not-loaded`, role: "img", "aria-label": alt },
    icon("cloud"),
    h("span", {}, alt || "A picture", " (not loaded from outside: ", source, ")"),
  );
}

function drawInput(block, where) {
  // By its place and not its block_id, which each edit changes.
  const id = `f-${where.key}-${where.index}`;
  const error = where.errors?.[block.block_id];
  const described = [block.hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  const isGroup = ["checkboxes", "radio_buttons"].includes(block.element?.type);
  const label = h(
    isGroup ? "div" : "label",
    { class: "label", id: `${id}-label`, for: isGroup ? null : id },
    textOf(block.label),
    block.optional ? h("span", { class: "optional" }, " (optional)") : null,
  );
  return h(
    "div",
    { class: error ? "input has-error" : "input" },
    label,
    drawElement(block.element ?? {}, {
      ...where,
      block,
      id,
      described,
      isInvalid: Boolean(error),
      label: wordsOf(block.label),
    }),
    block.hint ? h("div", { class: "hint", id: `${id}-hint` }, textOf(block.hint)) : null,
    error ? h("div", { class: "error", id: `${id}-error`, role: "alert" }, plain(error)) : null,
  );
}

const TASKS = { complete: "done", in_progress: "running", pending: "not begun", error: "failed" };

function drawPlan(block) {
  const tasks = block.tasks ?? [];
  const done = tasks.filter((task) => task.status === "complete").length;
  const meter = h("progress", { class: "meter", max: tasks.length, value: done, "aria-label": "Steps done" });
  const count = h("span", { class: "count" }, `${done} of ${tasks.length}`);
  return [
    h("div", { class: "plan-head" }, heading(textOf(block.title)), tasks.length ? count : null),
    tasks.length ? meter : null,
    h("ol", { class: "tasks" }, tasks.map(drawTask)),
  ];
}

function drawTask(task) {
  const status = TASKS[task.status] ? task.status : "pending";
  return h(
    "li",
    { class: `task task-${status}` },
    h("span", { class: "mark", "aria-hidden": "true" }),
    h(
      "div",
      {},
      h("span", { class: "task-title" }, textOf(task.title)),
      hidden(` (${TASKS[status]})`),
      ["details", "output"].map((key) => (task[key] ? h("div", { class: `task-${key}` }, richText(task[key])) : null)),
      (task.sources ?? []).map((source) =>
        h("div", {}, link(String(source.url), String(source.text ?? source.url)) ?? String(source.text ?? "")),
      ),
    ),
  );
}

function drawTable(block) {
  const settings = block.column_settings ?? [];
  const rows = (block.rows ?? []).map((row, at) =>
    h(
      "tr",
      {},
      row.map((cell, column) =>
        h(
          at ? "td" : "th",
          {
            scope: at ? null : "col",
            class: `${word(settings[column]?.align)} ${settings[column]?.is_wrapped ? "wraps" : ""}`.trim(),
          },
          drawCell(cell),
        ),
      ),
    ),
  );
  const scroll = { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Table" };
  return h("div", scroll, h("table", {}, h("thead", {}, rows[0] ?? null), h("tbody", {}, rows.slice(1))));
}

function drawCell(cell) {
  if (cell?.type === "rich_text") return richText(cell);
  if (cell?.type === "raw_text") return withWholeDays(String(cell.text ?? ""));
  if (cell?.type === "raw_number") return plain(String(cell.text ?? cell.value ?? ""), false);
  return unknown("a cell", cell);
}

// A narrow column would break a day at its hyphens.
const withWholeDays = (text) =>
  text
    .split(/(\d{4}-\d{2}-\d{2})/)
    .map((part, at) => (at % 2 ? h("span", { class: "whole" }, part) : plain(part, false)));

function drawCard(card, where) {
  return h(
    "div",
    { class: "card" },
    card.hero_image ? picture(card.hero_image, "hero") : null,
    h(
      "div",
      { class: "card-head" },
      card.icon ? picture(card.icon, "thumb") : null,
      h(
        "div",
        {},
        card.title ? heading(textOf(card.title)) : null,
        card.subtitle ? h("div", { class: "subtitle" }, textOf(card.subtitle)) : null,
      ),
    ),
    card.body ? h("div", {}, textOf(card.body)) : null,
    card.actions
      ? h(
          "div",
          { class: "block-actions" },
          card.actions.map((element) => drawElement(element, { ...where, block: card })),
        )
      : null,
  );
}

function drawVideo(block) {
  const address = String(block.title_url ?? block.video_url ?? "");
  return h(
    "p",
    { class: "file-line" },
    "🎞️ ",
    link(address, wordsOf(block.title) || address) ?? wordsOf(block.title),
    block.description ? h("span", { class: "subtitle" }, textOf(block.description)) : null,
  );
}
