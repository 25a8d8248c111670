// Where people type: Enter sends, Shift+Enter breaks the line, / and @ complete, arrow up brings back what was sent.

import { h, hidden, icon } from "./dom.js";
import { names, state } from "./state.js";
import { notice } from "./popups.js";
import { act } from "./wire.js";

const MOST = 24;
let count = 0;

export class Composer {
  /** place: () => {channel, thread}, sent: called with what was sent. */
  constructor(label, place, sent = () => {}) {
    Object.assign(this, { label, place, sent });
    this.history = [];
    this.at = 0;
    this.found = [];
    this.active = -1;
    const id = `c${(count += 1)}`;
    this.input = h("textarea", {
      id,
      rows: "1",
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": `${id}-list`,
      "aria-haspopup": "listbox",
      autocomplete: "off",
      spellcheck: "false",
      enterkeyhint: "send",
      "aria-label": label,
      placeholder: label,
    });
    this.list = h("ul", {
      id: `${id}-list`,
      role: "listbox",
      class: "completion",
      hidden: true,
      "aria-label": "Completions",
    });
    this.send = h("button", { type: "submit", class: "send", disabled: true }, icon("send"), hidden("Send"));
    this.root = h("form", { class: "composer" }, this.list, h("div", { class: "box" }, this.input, this.send));
    this.listen();
  }

  listen() {
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.close());
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) this.take(this.found[Number(row.dataset.at)]);
    });
  }

  relabel(label) {
    this.input.setAttribute("aria-label", label);
    this.input.placeholder = label;
  }

  /** Put something in, ready to be sent. */
  fill(text) {
    this.input.value = text;
    this.input.focus();
    this.input.setSelectionRange(text.length, text.length);
    this.typed();
    this.close();
  }

  typed() {
    this.send.disabled = !this.input.value.trim();
    this.grow();
    this.found = completions(this.input.value.slice(0, this.input.selectionStart), this.place().thread).slice(0, MOST);
    if (this.found.length) this.open();
    else this.close();
  }

  grow() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 160)}px`;
  }

  open() {
    const rows = this.found.map((one, at) =>
      h(
        "li",
        { role: "option", id: `${this.list.id}-${at}`, data: { at }, "aria-selected": "false" },
        h("span", { class: "typed" }, one.label),
        one.note ? h("span", { class: "subtitle" }, one.note) : null,
      ),
    );
    this.list.replaceChildren(...rows);
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.mark(0);
  }

  close() {
    this.list.hidden = true;
    this.active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  mark(at) {
    this.active = at;
    [...this.list.children].forEach((row, index) => row.setAttribute("aria-selected", String(index === at)));
    this.input.setAttribute("aria-activedescendant", `${this.list.id}-${at}`);
    this.list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  take(one) {
    const rest = this.input.value.slice(this.input.selectionStart);
    const text = this.input.value.slice(0, this.input.selectionStart - one.typed.length) + one.text;
    this.input.value = text + rest;
    this.input.setSelectionRange(text.length, text.length);
    this.typed();
  }

  key(event) {
    const isOpen = !this.list.hidden;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (isOpen && step) {
      event.preventDefault();
      this.mark((this.active + step + this.found.length) % this.found.length);
    } else if (isOpen && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    } else if (
      isOpen &&
      (event.key === "Tab" || event.key === "Enter") &&
      !event.shiftKey &&
      this.adds(this.found[this.active])
    ) {
      event.preventDefault();
      this.take(this.found[this.active]);
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "ArrowUp" && !this.input.value && this.history.length) {
      event.preventDefault();
      this.fill(this.history.at(-1));
    }
  }

  // A completion that would change nothing must not keep Enter from sending.
  adds(one) {
    return one && one.text.trim() !== one.typed.trim();
  }

  async submit() {
    const text = this.input.value.trim();
    if (!text) return;
    const { channel, thread } = this.place();
    const wrong = problem(text, thread);
    if (wrong) {
      notice(wrong);
      return;
    }
    this.history.push(text);
    this.input.value = "";
    this.typed();
    this.sent(text);
    const answer = text.startsWith("/")
      ? await act("command", { channel, text })
      : await act("say", { channel, text, thread });
    if (answer.error && !answer.text) {
      notice(answer.error === "operation_timeout" ? "The app did not answer in time." : answer.error);
      if (!this.input.value) this.fill(text);
    }
  }
}

function problem(text, thread) {
  if (!text.startsWith("/")) return "";
  const command = text.split(/\s/)[0];
  if (thread)
    return `${command} is not supported in threads: type it in the channel. Here, mention the app: @${names.user(state.bot)} help`;
  const known = new Set(state.usages.map((usage) => usage.split(" ")[0]));
  return known.size && !known.has(command)
    ? `${command} is no command of an app here. There is: ${[...known].join(", ")}`
    : "";
}

/** The words of a usage that a person types as they stand: "/cloudy show <id>" begins with "/cloudy show ". */
export function fixed(usage) {
  return /^[^<[|]*/.exec(usage)[0].replace(/\s+$/, "");
}

function completions(text, thread) {
  const at = /(?:^|\s)(@[\w.-]*)$/.exec(text)?.[1];
  if (at) {
    const people = [...state.users.values()].filter(
      (user) => (user.title || user.is_bot) && user.name.startsWith(at.slice(1)),
    );
    return people.map((user) => ({
      label: `@${user.name}`,
      note: user.title || "app",
      text: `@${user.name} `,
      typed: at,
    }));
  }
  if (!text.startsWith("/") || text.includes("\n") || thread) return [];
  const rows = state.usages.map((usage) => {
    const [shape, note = ""] = usage.split(/ {2,}/);
    const word = fixed(shape);
    return { label: shape, note, text: word === shape ? word : `${word} `, typed: text };
  });
  return rows.filter((one) => one.text.toLowerCase().startsWith(text.toLowerCase()));
}
