// Menus, the question before a dangerous click, and short notices.

import { h, icon } from "./dom.js";
import { textOf } from "./mrkdwn.js";

let open = null;

/** Show entries [{label, note, act}] at a button; focus goes in, and back to the button when it closes. */
export function menu(anchor, entries, label) {
  open?.hidePopover();
  const items = entries.map((entry) =>
    h(
      "button",
      { type: "button", role: "menuitem", tabindex: "-1" },
      entry.label,
      entry.note ? h("span", { class: "subtitle" }, entry.note) : null,
    ),
  );
  const shown = h(
    "div",
    { role: "menu", class: "menu", popover: "auto", "aria-label": label },
    items.length ? items : h("p", { class: "note" }, "There is nothing in it."),
  );
  open = shown;
  (anchor.closest("dialog") ?? document.body).append(shown);
  shown.showPopover();
  place(shown, anchor);
  anchor.setAttribute("aria-expanded", "true");
  items.forEach((item, at) =>
    item.addEventListener("click", () => {
      close();
      entries[at].act();
    }),
  );
  items[0]?.focus();
  const close = () => {
    if (shown.matches(":popover-open")) shown.hidePopover();
  };
  shown.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const end = { Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Tab") close();
    if (event.key === "Escape") event.stopPropagation();
    if (step === undefined && end === undefined) return;
    event.preventDefault();
    items[end ?? (items.indexOf(document.activeElement) + step + items.length) % items.length]?.focus();
  });
  shown.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    anchor.setAttribute("aria-expanded", "false");
    if (shown.contains(document.activeElement) || document.activeElement === document.body) anchor.focus();
    shown.remove();
    if (open === shown) open = null;
  });
}

function place(shown, anchor) {
  const box = anchor.getBoundingClientRect();
  const size = shown.getBoundingClientRect();
  const left = Math.min(box.left, innerWidth - size.width - 8);
  const below = box.bottom + 4;
  shown.style.left = `${Math.max(8, left)}px`;
  shown.style.top = `${below + size.height > innerHeight ? Math.max(8, box.top - size.height - 4) : below}px`;
}

/** Ask as an element's `confirm` says; true when the person confirms. */
export function confirmed(confirm) {
  return new Promise((resolve) => {
    const title = h("h2", { id: "confirm-title" }, confirm.title ? textOf(confirm.title) : "Are you sure?");
    const yes = h(
      "button",
      { type: "button", class: confirm.style === "danger" ? "button danger" : "button primary" },
      confirm.confirm ? textOf(confirm.confirm) : "Yes",
    );
    const no = h("button", { type: "button", class: "button" }, confirm.deny ? textOf(confirm.deny) : "Cancel");
    const dialog = h(
      "dialog",
      { class: "confirm", "aria-labelledby": "confirm-title" },
      title,
      h("div", { class: "body" }, confirm.text ? textOf(confirm.text) : null),
      h("div", { class: "foot" }, no, yes),
    );
    let answer = false;
    const end = (value) => {
      answer = value;
      dialog.close();
    };
    yes.addEventListener("click", () => end(true));
    no.addEventListener("click", () => end(false));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}

/** Say something for some seconds, above all else. act: {label, act}, a button in it. */
export function notice(text, action = null) {
  const place = document.getElementById("notices");
  const close = h("button", { type: "button", class: "plain", "aria-label": "Dismiss" }, icon("close"));
  const button = action ? h("button", { type: "button", class: "button" }, action.label) : null;
  const shown = h("div", { class: "notice" }, h("span", {}, text), button, close);
  const end = () => shown.remove();
  close.addEventListener("click", end);
  button?.addEventListener("click", () => {
    end();
    action.act();
  });
  place.append(shown);
  if (place.matches(":popover-open")) place.hidePopover();
  place.showPopover(); // again: above a dialog that was opened later
  setTimeout(end, action ? 20000 : 8000);
}
