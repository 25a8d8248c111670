// The drawer: every call, event and act that was recorded, and the switches of Slack's bad days.

import { h, hidden, icon } from "./dom.js";
import { on, state } from "./state.js";
import { act, rows } from "./wire.js";

const EVERY_MS = 800;
const SHOWN = 200;
const KEPT = 5000; // and as many as were asked for by "Older ones"
const KINDS = {
  call: "call",
  response_url: "answer",
  envelope: "to the app",
  request: "to the app",
  ack: "ack",
  event: "event",
  command: "act",
  say: "act",
  click: "act",
  submit: "act",
  close: "act",
  shortcut: "act",
  connection: "socket",
};
const SWITCHES = [
  { name: "rates", label: "Rate limits", note: "429 by Slack's own tiers", value: true },
  { name: "outage", label: "Outage", note: "every call answers 503", value: "error" },
  { name: "slow_s", label: "Slow network", note: "answers come 2 s later", value: 2 },
  { name: "duplicate", label: "Everything twice", note: "duplicate delivery", value: true },
];

let pane = null;
let known = []; // newest last
let first = 0;
let kept = KEPT;
let length = 0;
let turn = 0; // of opening and closing: an answer to an earlier one is not wanted any more
let timer = null;
let query = "";

export function start(node) {
  pane = node;
  on("drawer", drawSwitches);
  pane.append(
    h(
      "div",
      { class: "bar" },
      h("h2", {}, "What goes over the wire"),
      h(
        "button",
        { type: "button", class: "plain", data: { do: "drawer" } },
        icon("close"),
        hidden("Close the drawer"),
      ),
    ),
    h("fieldset", { class: "switches" }, h("legend", {}, "Make it a bad day"), h("div", { id: "switches" })),
    h("input", {
      type: "search",
      id: "record-filter",
      placeholder: "Filter: chat.update, views, error…",
      "aria-label": "Filter the record",
      autocomplete: "off",
    }),
    h("div", { class: "count", id: "record-count", role: "status" }),
    h("ol", { class: "rows", "aria-label": "Recorded calls, newest first" }),
    h("button", { type: "button", class: "button", id: "record-older" }, "Older ones"),
  );
  pane.querySelector("#record-filter").addEventListener("input", (event) => {
    query = event.target.value.trim().toLowerCase();
    draw();
  });
  pane.querySelector("#record-older").addEventListener("click", older);
  pane.addEventListener("toggle", unfold, true);
}

export function toggle(isOpen) {
  clearTimeout(timer);
  turn += 1;
  if (isOpen) refresh(turn);
}

async function refresh(mine) {
  const answer = await rows(known.length ? { since: length } : {});
  if (mine !== turn) return;
  if (answer) {
    const isAnother = answer.length < length; // server
    if (isAnother || answer.since > length) forget(); // or more has come than one answer holds
    if (!known.length) first = answer.since;
    known.push(
      ...answer.rows.map((row, at) => ({
        ...row,
        number: answer.since + at,
        words: JSON.stringify(row).toLowerCase(),
      })),
    );
    if (known.length > kept) known = known.slice(-kept);
    if (known.length) first = known[0].number;
    if (answer.rows.length || isAnother || !length) draw();
    length = isAnother ? 0 : answer.until;
  }
  timer = setTimeout(() => refresh(mine), EVERY_MS);
}

function forget() {
  known = [];
  pane.querySelector(".rows").replaceChildren();
}

async function older() {
  const answer = await rows({ until: first });
  if (!answer) return;
  known = [
    ...answer.rows.map((row, at) => ({ ...row, number: answer.since + at, words: JSON.stringify(row).toLowerCase() })),
    ...known,
  ];
  first = answer.since;
  kept = Math.max(kept, known.length + KEPT);
  draw();
}

function draw() {
  const found = known.filter((row) => !query || row.words.includes(query)).reverse();
  const list = pane.querySelector(".rows");
  const drawn = new Map([...list.children].map((node) => [node.dataset.number, node]));
  const wanted = found.slice(0, SHOWN).map((row) => drawn.get(String(row.number)) ?? drawRow(row));
  const keep = new Set(wanted);
  for (const node of drawn.values()) if (!keep.has(node)) node.remove();
  wanted.forEach((node, at) => {
    if (list.children[at] !== node) list.insertBefore(node, list.children[at] ?? null);
  });
  const all = `${found.length} of ${known.length} rows${found.length > SHOWN ? `, the newest ${SHOWN} shown` : ""}`;
  pane.querySelector("#record-count").textContent = all;
  pane.querySelector("#record-older").hidden = first === 0;
}

function drawRow(row) {
  const answer = row.answer ?? {};
  const wrong = row.type === "call" && (answer.ok === false || row.is_lost || row.status >= 400);
  const how =
    row.type !== "call"
      ? ""
      : row.is_lost
        ? "no answer"
        : wrong
          ? `${row.status === 200 ? "" : `${row.status} `}${answer.error ?? ""}`
          : "ok";
  const at = new Date(row.at * 1000).toLocaleTimeString([], { hour12: false });
  return h(
    "li",
    { class: wrong ? "wrong" : null, data: { number: row.number } },
    h(
      "details",
      {},
      h(
        "summary",
        {},
        h("span", { class: "time" }, at),
        h("span", { class: `kind kind-${row.type}` }, KINDS[row.type] ?? row.type),
        h("span", { class: "method" }, row.method),
        h("span", { class: "how" }, how),
      ),
    ),
  );
}

// The JSON is drawn when it is looked at.
function unfold(event) {
  const details = event.target;
  if (!details.open || details.querySelector("pre")) return;
  const row = known.find((one) => String(one.number) === details.closest("li").dataset.number);
  const { words, number, ...shown } = row;
  details.append(h("pre", { tabindex: "0" }, JSON.stringify(shown, null, 2)));
}

function drawSwitches() {
  const place = pane.querySelector("#switches");
  if (!place.children.length) {
    place.append(
      ...SWITCHES.map(({ name, label, note, value }) =>
        h(
          "label",
          { class: "switch" },
          h("input", {
            type: "checkbox",
            role: "switch",
            data: { name },
            onchange: (event) => act("switch", { name, value: event.target.checked ? value : null }),
          }),
          h("span", { class: "knob", "aria-hidden": "true" }),
          h("span", {}, label, h("span", { class: "subtitle" }, note)),
        ),
      ),
      h(
        "button",
        { type: "button", class: "button", onclick: () => act("switch", { name: "burst" }) },
        "Next 5 calls: 429",
      ),
    );
  }
  for (const field of place.querySelectorAll("input")) field.checked = Boolean(state.switches[field.dataset.name]);
}
