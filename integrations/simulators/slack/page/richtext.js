// rich_text blocks, and the Markdown of a markdown block.

import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { dated, link, mention } from "./mrkdwn.js";
import { names, state } from "./state.js";

const STYLES = [
  ["code", "code"],
  ["bold", "strong"],
  ["italic", "em"],
  ["strike", "s"],
  ["underline", "u"],
];
const PARTS = {
  rich_text_section: (part) => h("div", { class: "rich-section" }, atoms(part)),
  rich_text_quote: (part) => h("blockquote", {}, atoms(part)),
  rich_text_preformatted: (part) => h("pre", {}, h("code", {}, atoms(part))),
  rich_text_list: (part) =>
    h(
      part.style === "ordered" ? "ol" : "ul",
      {
        class: `rich-list indent-${Math.min(Number(part.indent) || 0, 5)}`,
        start: part.style === "ordered" ? (Number(part.offset) || 0) + 1 : null,
      },
      (part.elements ?? []).map((item) => h("li", {}, PARTS[item.type]?.(item) ?? unknown(item))),
    ),
};
const ATOMS = {
  text: (atom) => broken(String(atom.text ?? "")),
  link: (atom) =>
    link(String(atom.url), String(atom.text || atom.url)) ?? document.createTextNode(String(atom.text || atom.url)),
  user: (atom) => mention(`@${names.user(atom.user_id)}`, atom.user_id === state.me),
  usergroup: (atom) => mention(`@${names.group(atom.usergroup_id)}`),
  channel: (atom) => mention(`#${names.channel(atom.channel_id)}`),
  broadcast: (atom) => mention(`@${atom.range}`, true),
  emoji: (atom) => document.createTextNode(emoji(String(atom.name))),
  date: (atom) =>
    h("time", {}, dated(Number(atom.timestamp), String(atom.format ?? "{date}")) ?? String(atom.fallback ?? "")),
  color: (atom) => h("code", {}, String(atom.value)),
};

export function richText(block) {
  return h(
    "div",
    { class: "rich" },
    (block.elements ?? []).map((part) => PARTS[part.type]?.(part) ?? unknown(part)),
  );
}

function atoms(part) {
  return (part.elements ?? []).map((atom) => {
    const draw = ATOMS[atom.type];
    let drawn = draw ? draw(atom) : unknown(atom);
    for (const [style, tag] of STYLES) if (atom.style?.[style]) drawn = h(tag, {}, drawn);
    return drawn;
  });
}

const unknown = (part) => h("span", { class: "unknown-inline" }, `[${part.type}: this page cannot draw it]`);

function broken(text) {
  const drawn = document.createDocumentFragment();
  text.split("\n").forEach((line, index) => drawn.append(...(index ? [h("br")] : []), line));
  return drawn;
}

// --- Markdown: headings, lists, tables, quotes, code, rules; inside a line code, bold, italic, strike, links ---

export function markdown(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const drawn = h("div", { class: "rich markdown" });
  while (lines.length) drawn.append(...piece(lines));
  return drawn;
}

function take(lines, fits) {
  const taken = [];
  while (lines.length && fits(lines[0])) taken.push(lines.shift());
  return taken;
}

const isItem = (line) => /^\s*(?:[-*+]|\d+[.)])\s+/.test(line);
const isRow = (line) => /^\s*\|.*\|\s*$/.test(line);
const isText = (line) =>
  line.trim() && !isItem(line) && !isRow(line) && !/^(?:#{1,6}\s|>|```|\s*(?:-{3,}|\*{3,})\s*$)/.test(line);

function piece(lines) {
  const line = lines[0];
  if (!line.trim()) {
    lines.shift();
    return [];
  }
  if (line.startsWith("```")) {
    lines.shift();
    const code = take(lines, (one) => !one.startsWith("```"));
    lines.shift();
    return [h("pre", {}, h("code", {}, code.join("\n")))];
  }
  const heading = /^(#{1,6})\s+(.*)$/.exec(line);
  if (heading) {
    lines.shift();
    return [h("div", { class: "md-heading", role: "heading", "aria-level": 4 }, marked(heading[2]))];
  }
  if (/^\s*(?:-{3,}|\*{3,})\s*$/.test(line)) {
    lines.shift();
    return [h("hr")];
  }
  if (line.startsWith(">")) {
    return [
      h(
        "blockquote",
        {},
        take(lines, (one) => one.startsWith(">")).map((one) => h("div", {}, marked(one.replace(/^> ?/, "")))),
      ),
    ];
  }
  if (isItem(line)) return [list(take(lines, isItem))];
  if (isRow(line)) return [table(take(lines, isRow))];
  const prose = take(lines, isText);
  return [h("p", {}, marked((prose.length ? prose : [lines.shift()]).join("\n")))];
}

function list(lines) {
  const isOrdered = /^\s*\d/.test(lines[0]);
  return h(
    isOrdered ? "ol" : "ul",
    {},
    lines.map((line) => {
      const text = line.replace(/^\s*(?:[-*+]|\d+[.)])\s+/, "");
      const task = /^\[([ xX])\]\s+/.exec(text);
      return h(
        "li",
        { class: task ? "task" : null },
        task ? (task[1] === " " ? "☐ " : "☑ ") : "",
        marked(text.slice(task?.[0].length ?? 0)),
      );
    }),
  );
}

function table(lines) {
  const rows = lines.map((line) =>
    line
      .trim()
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
  const hasHead = rows.length > 1 && rows[1].every((cell) => /^:?-{2,}:?$/.test(cell));
  if (hasHead) rows.splice(1, 1);
  const drawn = rows.map((row, at) =>
    h(
      "tr",
      {},
      row.map((cell) => h(hasHead && !at ? "th" : "td", {}, marked(cell))),
    ),
  );
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Table" },
    h("table", {}, drawn),
  );
}

const INLINE =
  /`([^`]+)`|\*\*(.+?)\*\*|__(.+?)__|~~(.+?)~~|(?<![\w*])\*(\S.*?)\*(?![\w*])|(?<!\w)_(\S.*?)_(?!\w)|\[([^\]]+)\]\(([^)\s]+)\)/;

function marked(text) {
  const drawn = document.createDocumentFragment();
  let rest = text;
  for (let found = INLINE.exec(rest); found; found = INLINE.exec(rest)) {
    drawn.append(broken(rest.slice(0, found.index)));
    const [whole, code, bold, bold2, strike, italic, italic2, label, address] = found;
    if (code) drawn.append(h("code", {}, code));
    else if (bold || bold2) drawn.append(h("strong", {}, marked(bold ?? bold2)));
    else if (strike) drawn.append(h("s", {}, marked(strike)));
    else if (italic || italic2) drawn.append(h("em", {}, marked(italic ?? italic2)));
    else drawn.append(link(address, label) ?? whole);
    rest = rest.slice(found.index + whole.length);
  }
  drawn.append(broken(rest));
  return drawn;
}
