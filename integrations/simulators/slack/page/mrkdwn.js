// Slack's markup as nodes. Text becomes text nodes, never HTML. Source: docs.slack.dev/messaging/formatting-message-text.

import { h } from "./dom.js";
import { emojify } from "./emoji.js";
import { names, state } from "./state.js";

const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };
export const decoded = (text) => text.replace(/&(?:lt|gt|amp);/g, (entity) => ENTITIES[entity]);

/** A text object {type, text, emoji}: plain text stays plain. */
export function textOf(object) {
  if (!object) return document.createDocumentFragment();
  if (typeof object === "string") return plain(object, false);
  return object.type === "mrkdwn"
    ? mrkdwn(String(object.text ?? ""))
    : plain(String(object.text ?? ""), object.emoji !== false);
}

/** The same as a string, for labels. */
export function wordsOf(object) {
  return textOf(object).textContent;
}

export function plain(text, withEmoji = true) {
  const shown = decoded(text);
  return lines(withEmoji ? emojify(shown) : shown);
}

function lines(text) {
  const drawn = document.createDocumentFragment();
  text.split("\n").forEach((line, index) => drawn.append(...(index ? [h("br")] : []), line));
  return drawn;
}

export function mrkdwn(text) {
  const drawn = document.createDocumentFragment();
  // Marks for what is drawn already are private-use characters, so none may come from outside.
  const safe = text.replace(/[\uE000-\uF8FF]/g, "\uFFFD");
  safe.split(/```([\s\S]+?)```/).forEach((part, index) => {
    if (index % 2) drawn.append(h("pre", {}, h("code", {}, decoded(part.replace(/^\n|\n$/g, "")))));
    else if (part) drawn.append(paragraphs(index ? part.replace(/^\n/, "") : part));
  });
  return drawn;
}

function paragraphs(text) {
  const drawn = document.createDocumentFragment();
  let quote = [];
  let prose = [];
  const endProse = () => {
    if (prose.length) drawn.append(inline(prose.join("\n")));
    prose = [];
  };
  const endQuote = () => {
    if (quote.length) drawn.append(h("blockquote", {}, inline(quote.join("\n"))));
    quote = [];
  };
  for (const line of text.split("\n")) {
    const quoted = /^(?:&gt;|>) ?(.*)$/.exec(line);
    if (quoted) {
      endProse();
      quote.push(quoted[1]);
    } else {
      endQuote();
      prose.push(line);
    }
  }
  endProse();
  endQuote();
  return drawn;
}

function inline(text) {
  const kept = [];
  const keep = (node) => String.fromCharCode(0xe000 + kept.push(node) - 1);
  const marked = text
    .replace(/`([^`\n]+)`/g, (_, code) => (kept.length < 6000 ? keep(h("code", {}, decoded(code))) : code))
    .replace(/<([^<>\n]+)>/g, (whole, inside) => (kept.length < 6000 ? keep(reference(inside)) : whole));
  return formatted(marked, kept);
}

const TAGS = { "*": "strong", _: "em", "~": "s" };
// Only at the edge of a word: a*b*c and 2*3*4 keep their stars.
const FORMAT = /(?<![\p{L}\p{N}*_~])([*_~])(?=[^\s*_~])([^\n]*?[^\s])\1(?![\p{L}\p{N}*_~])/u;

function formatted(text, kept) {
  const drawn = document.createDocumentFragment();
  let rest = text;
  for (let found = FORMAT.exec(rest); found; found = FORMAT.exec(rest)) {
    drawn.append(leaf(rest.slice(0, found.index), kept), h(TAGS[found[1]], {}, formatted(found[2], kept)));
    rest = rest.slice(found.index + found[0].length);
  }
  drawn.append(leaf(rest, kept));
  return drawn;
}

function leaf(text, kept) {
  const drawn = document.createDocumentFragment();
  for (const part of text.split(/([\uE000-\uF8FF])/)) {
    if (/^[\uE000-\uF8FF]$/.test(part)) drawn.append(kept[part.charCodeAt(0) - 0xe000]);
    else if (part) drawn.append(lines(decoded(emojify(part))));
  }
  return drawn;
}

function reference(inside) {
  const cut = inside.indexOf("|");
  const target = cut < 0 ? inside : inside.slice(0, cut);
  const label = cut < 0 ? "" : inside.slice(cut + 1);
  if (target.startsWith("@")) return mention(`@${names.user(target.slice(1))}`, target.slice(1) === state.me);
  if (target.startsWith("#")) return mention(`#${decoded(label) || names.channel(target.slice(1))}`);
  if (target.startsWith("!subteam^")) return mention(`@${names.group(target.slice(9))}`);
  if (target.startsWith("!date^")) return date(target, label);
  if (target.startsWith("!")) return mention(`@${target.slice(1).split("^")[0]}`, true);
  return (
    link(decoded(target), decoded(label) || decoded(target)) ??
    document.createTextNode(decoded(label ? `${target}|${label}` : `<${target}>`))
  );
}

export const mention = (text, isMe = false) => h("span", { class: isMe ? "mention me" : "mention" }, text);

/** A link, or null where the address is no web or mail address. */
export function link(address, label) {
  if (!/^(?:https?:\/\/|mailto:)/i.test(address)) return null;
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, label);
}

const DATE_FORMS = {
  date_num: { year: "numeric", month: "2-digit", day: "2-digit" },
  date: { year: "numeric", month: "long", day: "numeric" },
  date_short: { year: "numeric", month: "short", day: "numeric" },
  date_long: { weekday: "long", year: "numeric", month: "long", day: "numeric" },
  time: { hour: "2-digit", minute: "2-digit" },
  time_secs: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
};

function date(target, fallback) {
  const [, seconds, format = "{date}", address] = target.split("^");
  const shown = dated(Number(seconds), decoded(format)) ?? decoded(fallback);
  return (address && link(decoded(address), shown)) || h("time", { title: decoded(fallback) }, shown);
}

/** Slack's date formats in the reader's own time zone; null where the time is none. */
export function dated(seconds, format) {
  const at = new Date(seconds * 1000);
  if (Number.isNaN(at.getTime())) return null;
  return format.replace(/\{(\w+)\}/g, (whole, token) => {
    if (token === "ago") return `${Math.max(0, Math.round((Date.now() - at) / 60000))} minutes ago`;
    const form = DATE_FORMS[token.replace(/_pretty$/, "")];
    if (!form) return whole;
    const near = token.endsWith("_pretty") ? pretty(at) : "";
    return near || at.toLocaleString([], form);
  });
}

function pretty(at) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86400000);
  return { 0: "today", 1: "yesterday", [-1]: "tomorrow" }[days] ?? "";
}
