// Selects with typeahead: static, external (the app is asked), people, channels; one value or several.

import { h, hidden } from "./dom.js";
import { wordsOf } from "./mrkdwn.js";
import { state } from "./state.js";
import { suggestions } from "./acts.js";

const MOST_SHOWN = 100;
const QUIET_MS = 120;
let count = 0;

export function combo(body, where) {
  return new Combo(body, where).root;
}

class Combo {
  constructor(body, where) {
    this.body = body;
    this.isMany = body.type.startsWith("multi_");
    this.source = body.type.replace("multi_", "");
    this.held = (this.isMany ? (where.value ?? []) : [where.value])
      .filter((one) => one !== null && one !== undefined)
      .map((one) => this.known(one));
    this.active = -1;
    this.shown = [];
    const listId = `l${(count += 1)}`;
    this.input = h("input", {
      type: "text",
      role: "combobox",
      autocomplete: "off",
      spellcheck: "false",
      id: where.id ?? null,
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": listId,
      "aria-label": where.id ? null : where.name,
      "aria-describedby": where.described || null,
      "aria-invalid": where.isInvalid ? "true" : null,
      placeholder: body.placeholder ? wordsOf(body.placeholder) : "Choose…",
    });
    this.chips = h("div", { class: "chips" });
    this.list = h("ul", { role: "listbox", id: listId, popover: "manual", class: "listbox", "aria-label": where.name });
    this.note = h("div", { class: "sr", role: "status" });
    this.root = h("div", { class: this.isMany ? "combo many" : "combo" }, this.chips, this.input, this.list, this.note);
    this.root.chosen = () => (this.isMany ? this.held.map((one) => one.value) : (this.held[0]?.value ?? null));
    this.listen();
    this.show();
  }

  // An entry is {label, note, group, value}: value is an option, or the id of a person or channel.
  known(value) {
    if (typeof value !== "object") return this.offered().find((one) => one.value === value) ?? { label: value, value };
    return { label: wordsOf(value.text), value: { text: value.text, value: value.value } };
  }

  offered() {
    if (this.source === "users_select")
      return [...state.users.values()]
        .filter((user) => user.title)
        .map((user) => ({ label: user.name, note: user.title, value: user.id }));
    if (this.source === "channels_select" || this.source === "conversations_select") {
      return [...state.channels.values()]
        .filter((one) => !one.is_direct)
        .map((one) => ({ label: `#${one.name}`, value: one.id }));
    }
    return entries(this.body.options, this.body.option_groups);
  }

  listen() {
    this.input.addEventListener("focus", () => this.input.select());
    this.input.addEventListener("click", () => this.open());
    this.input.addEventListener("input", () => this.open());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => {
      this.close();
      if (!this.isMany && this.input.value.trim() === "" && this.held.length) this.set([]);
      else this.show();
    });
    // Before the blur, so that the list is still there when the click comes.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.choose(this.shown[Number(option.dataset.at)]);
    });
    this.chips.addEventListener("click", (event) => {
      const chip = event.target.closest("button");
      if (chip) this.set(this.held.filter((_, at) => at !== Number(chip.dataset.at)));
    });
  }

  async open() {
    const typed = this.input.value.trim();
    const isUntouched = !this.isMany && this.held.length && typed === this.held[0].label;
    const query = isUntouched ? "" : typed;
    if (this.source !== "external_select") {
      this.draw(this.offered().filter((one) => fits(one, query)));
      return;
    }
    const least = this.body.min_query_length ?? 3;
    if (query.length < least) {
      this.draw([], `Type ${least === 1 ? "a character" : `${least} characters`} or more`);
      return;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(query), QUIET_MS);
  }

  async ask(query) {
    const asked = (this.asked = Symbol(query));
    this.root.setAttribute("aria-busy", "true");
    const answer = await suggestions(this.root, query);
    if (asked !== this.asked) return;
    this.root.removeAttribute("aria-busy");
    if (answer.error) this.draw([], answer.error);
    else this.draw(entries(answer.options));
  }

  draw(found, note = "") {
    if (document.activeElement !== this.input) return;
    const taken = new Set(this.isMany ? this.held.map((one) => JSON.stringify(one.value)) : []);
    const free = found.filter((one) => !taken.has(JSON.stringify(one.value)));
    this.shown = free.slice(0, MOST_SHOWN);
    const held = this.isMany ? -1 : this.shown.findIndex((one) => same(one, this.held[0]));
    this.active = this.shown.length ? Math.max(0, held) : -1;
    const rows = [];
    let group = "";
    this.shown.forEach((one, at) => {
      if (one.group && one.group !== group)
        rows.push(h("li", { role: "presentation", class: "group" }, (group = one.group)));
      rows.push(
        h(
          "li",
          { role: "option", id: `${this.list.id}-${at}`, data: { at }, "aria-selected": "false" },
          h("span", {}, one.label),
          one.note ? h("span", { class: "subtitle" }, one.note) : null,
        ),
      );
    });
    const more = free.length > MOST_SHOWN ? `${free.length - MOST_SHOWN} more: type on` : "";
    const words = note || more || (rows.length ? "" : "Nothing fits");
    if (words) rows.push(h("li", { role: "presentation", class: "note" }, words));
    this.list.replaceChildren(...rows);
    this.note.textContent = note || `${free.length} to choose from`;
    this.popUp();
    this.mark(this.active);
  }

  popUp() {
    if (!this.list.isConnected) return;
    if (!this.list.matches(":popover-open")) this.list.showPopover();
    const box = this.root.getBoundingClientRect();
    const room = innerHeight - box.bottom - 12;
    const isAbove = room < 180 && box.top > room;
    const style = this.list.style;
    style.left = `${Math.max(8, Math.min(box.left, innerWidth - 260))}px`;
    style.width = `${Math.max(box.width, 240)}px`;
    style.maxHeight = `${Math.min(300, isAbove ? box.top - 12 : room)}px`;
    style.top = isAbove ? "auto" : `${box.bottom + 4}px`;
    style.bottom = isAbove ? `${innerHeight - box.top + 4}px` : "auto";
    this.input.setAttribute("aria-expanded", "true");
  }

  mark(at) {
    this.active = at;
    for (const row of this.list.querySelectorAll("[role=option]"))
      row.setAttribute("aria-selected", String(Number(row.dataset.at) === at));
    const row = this.list.querySelector("[aria-selected=true]");
    if (row) this.input.setAttribute("aria-activedescendant", row.id);
    else this.input.removeAttribute("aria-activedescendant");
    row?.scrollIntoView({ block: "nearest" });
  }

  close() {
    clearTimeout(this.timer);
    this.asked = null;
    if (this.list.isConnected && this.list.matches(":popover-open")) this.list.hidePopover();
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  key(event) {
    const isOpen = this.input.getAttribute("aria-expanded") === "true";
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (isOpen && this.shown.length) this.mark((this.active + step + this.shown.length) % this.shown.length);
      else this.open();
    } else if (event.key === "Enter" && isOpen) {
      event.preventDefault();
      if (this.shown[this.active]) this.choose(this.shown[this.active]);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    } else if (event.key === "Backspace" && this.isMany && !this.input.value && this.held.length) {
      this.set(this.held.slice(0, -1));
    }
  }

  choose(entry) {
    this.close();
    this.set(this.isMany ? [...this.held, entry].slice(0, this.body.max_selected_items ?? undefined) : [entry]);
  }

  set(held) {
    this.held = held;
    this.show();
    this.root.dispatchEvent(new CustomEvent("chosen", { bubbles: true }));
  }

  show() {
    this.input.value = this.isMany ? "" : (this.held[0]?.label ?? "");
    if (!this.isMany) return;
    this.chips.replaceChildren(
      ...this.held.map((one, at) =>
        h(
          "button",
          { type: "button", class: "chip", data: { at } },
          one.label,
          h("span", { "aria-hidden": "true" }, " ×"),
          hidden(": remove"),
        ),
      ),
    );
  }
}

function entries(options = [], groups = []) {
  const plain = (option, group = "") => ({
    label: wordsOf(option.text),
    note: option.description ? wordsOf(option.description) : "",
    group,
    value: { text: option.text, value: option.value },
  });
  return [
    ...(options ?? []).map((option) => plain(option)),
    ...(groups ?? []).flatMap((group) => (group.options ?? []).map((option) => plain(option, wordsOf(group.label)))),
  ];
}

const same = (one, other) => JSON.stringify(one.value) === JSON.stringify(other?.value);
const fits = (entry, query) => `${entry.label} ${entry.note ?? ""}`.toLowerCase().includes(query.toLowerCase());
