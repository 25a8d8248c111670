// The open modal of the person: the top of the stack, in one dialog that keeps the focus inside.

import { pointer } from "./acts.js";
import { drawBlocks } from "./blocks.js";
import { h, hidden, icon, redraw } from "./dom.js";
import { valueOf } from "./elements.js";
import { textOf, wordsOf } from "./mrkdwn.js";
import { on, state } from "./state.js";
import { act } from "./wire.js";

let dialog = null;
let shownId = "";
let isLoading = false;
let trouble = { view: "", text: "" }; // why the last submission of a view came to nothing

export function start() {
  dialog = h("dialog", { class: "modal", id: "modal", "aria-labelledby": "modal-title" });
  document.body.append(dialog);
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });
  dialog.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target.closest("[data-do=close-view]")) close();
  });
  on("modal", draw);
}

const top = () => state.modals.at(-1) ?? null;

function draw() {
  const view = top();
  if (!view) {
    shownId = "";
    if (dialog.open) dialog.close();
    dialog.replaceChildren();
    return;
  }
  const fresh = drawView(view);
  const isSame = shownId === view.id;
  shownId = view.id;
  if (isSame && dialog.firstElementChild) redraw(dialog.firstElementChild, fresh, ".body");
  else dialog.replaceChildren(fresh);
  if (!dialog.open) dialog.showModal();
  // A loading view has nothing to go to; the form that takes its place has.
  const isAtFields = dialog.querySelector(".body")?.contains(document.activeElement);
  if (!isSame || (isLoading && !isAtFields)) {
    const first = dialog.querySelector(".body :is(input, textarea, button)");
    isLoading = !first;
    (first ?? dialog.querySelector("button"))?.focus();
  } else if (Object.keys(view.errors).length) dialog.querySelector("[aria-invalid=true], .has-error input")?.focus();
}

function drawView(view) {
  const depth = state.modals.length;
  const where = { key: view.id, values: view.state?.values, errors: view.errors };
  return h(
    "form",
    { novalidate: true, class: "view", data: { view: view.id } },
    h(
      "div",
      { class: "bar" },
      depth > 1
        ? h("button", { type: "button", class: "plain", data: { do: "close-view" } }, icon("back"), hidden("Back"))
        : null,
      h("h2", { id: "modal-title" }, textOf(view.title)),
      h("button", { type: "button", class: "plain", data: { do: "close-view" } }, icon("close"), hidden("Close")),
    ),
    h("div", { class: "body", tabindex: "-1" }, drawBlocks(view.blocks, where)),
    h("div", { class: "trouble", role: "alert" }, trouble.view === view.id ? trouble.text : ""),
    h(
      "div",
      { class: "foot" },
      h(
        "button",
        { type: "button", class: "button", data: { do: "close-view" } },
        view.close ? textOf(view.close) : "Cancel",
      ),
      view.submit ? h("button", { type: "submit", class: "button primary" }, wordsOf(view.submit)) : null,
    ),
  );
}

async function submit() {
  const view = top();
  if (!view?.submit) return;
  const entered = [...dialog.querySelectorAll("[data-use=field]")].map((field) => ({
    ...pointer(field),
    value: valueOf(field),
  }));
  const button = dialog.querySelector("[type=submit]");
  button.disabled = true;
  say(view.id, "");
  const answer = await act("submit", { view: view.id, entered });
  button.disabled = false;
  if (answer.error && answer.error !== "incomplete") say(view.id, answer.text ?? answer.error);
}

async function close() {
  const view = top();
  if (view) await act("close", { view: view.id });
  if (!top()) draw();
}

function say(view, text) {
  trouble = { view, text };
  const place = dialog.querySelector(".trouble");
  if (place && view === shownId) place.textContent = text;
}
