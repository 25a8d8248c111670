// One message as a list item: who, when, what; its thread's figures; what can be done with it.

import { drawBlocks, picture } from "./blocks.js";
import { clock, day, h, hidden, icon } from "./dom.js";
import { emoji } from "./emoji.js";
import { mrkdwn } from "./mrkdwn.js";
import { names, state } from "./state.js";

const TOGETHER_S = 300;
const HUES = { alice: 340, bob: 210, carol: 150, dave: 30 };

export function avatar(id) {
  const user = state.users.get(id);
  if (user?.is_bot) return h("span", { class: "avatar bot", "aria-hidden": "true" }, icon("cloud"));
  const name = user?.name ?? "?";
  return h(
    "span",
    { class: `avatar hue-${HUES[name] ?? "other"}`, "aria-hidden": "true" },
    name.slice(0, 1).toUpperCase(),
  );
}

export const shownName = (id) => names.user(id).replace(/^./, (first) => first.toUpperCase());

/** What makes a drawn message stale: itself, and how it goes with the one before. */
export function lookOf(message, before) {
  const isNewDay = !before || day(before.ts) !== day(message.ts);
  const isFollowing =
    !isNewDay &&
    before.user === message.user &&
    Number(message.ts) - Number(before.ts) < TOGETHER_S &&
    before.only_for === message.only_for;
  return { isNewDay, isFollowing };
}

/** A new node; `where` is "log", "root" or "reply". */
export function drawMessage(message, look, where) {
  const author = shownName(message.user);
  const body = h(
    "div",
    { class: "content", "aria-live": "off" },
    message.only_for ? only() : null,
    ...content(message, where),
  );
  const head = h(
    "div",
    { class: look.isFollowing ? "head sr" : "head" },
    h("span", { class: "author" }, author),
    state.users.get(message.user)?.is_bot ? h("span", { class: "tag" }, "app") : null,
    h("time", { class: "time", title: `${day(message.ts)} ${clock(message.ts)}` }, clock(message.ts)),
  );
  return h(
    "li",
    { class: classes(message, look), data: { ts: message.ts, channel: message.channel, key: message.ts } },
    look.isNewDay && where !== "reply"
      ? h("div", { class: "day", role: "separator" }, h("span", {}, day(message.ts)))
      : null,
    h(
      "div",
      { class: "row" },
      h(
        "div",
        { class: "side" },
        look.isFollowing
          ? h("time", { class: "time", "aria-hidden": "true" }, clock(message.ts))
          : avatar(message.user),
      ),
      h(
        "article",
        { "aria-label": `${author}, ${clock(message.ts)}`, tabindex: "-1" },
        head,
        body,
        where === "log" ? replies(message) : null,
      ),
      tools(message, where),
    ),
  );
}

function classes(message, look) {
  return ["message", look.isFollowing ? "following" : "", message.only_for ? "ephemeral" : ""]
    .filter(Boolean)
    .join(" ");
}

const only = () => h("div", { class: "only" }, "Only visible to you");

function content(message, place) {
  // A root stands in the log and in its thread: what is named after it must differ.
  const where = { key: `${place}-${message.ts.replace(".", "-")}` };
  const shown = message.blocks?.length
    ? drawBlocks(message.blocks, where)
    : [h("div", { class: "text" }, mrkdwn(message.text ?? ""))];
  if (!message.blocks?.length && message.is_edited) shown.push(h("span", { class: "edited" }, " (edited)"));
  if (message.blocks?.length && message.files?.length && message.text)
    shown.unshift(h("div", { class: "text" }, mrkdwn(message.text)));
  return [...shown, ...(message.files ?? []).map(file), reactions(message)].filter(Boolean);
}

function reactions(message) {
  if (!message.reactions?.length) return null;
  return h(
    "div",
    { class: "reactions" },
    message.reactions.map((one) =>
      h("span", { class: "reaction", title: one.users.map(names.user).join(", ") }, emoji(one.name), ` ${one.count}`),
    ),
  );
}

function file(one) {
  const address = `/page/file/${encodeURIComponent(one.id)}`;
  const title = one.title || one.name;
  if (/\.(png|jpe?g|gif|webp)$/i.test(one.name)) {
    return h(
      "figure",
      { class: "shared" },
      h("figcaption", {}, title),
      h(
        "a",
        { href: address, target: "_blank", rel: "noopener" },
        picture({ slack_file: { id: one.id }, alt_text: one.alt_txt || title }),
      ),
    );
  }
  return h(
    "a",
    { class: "file", href: address, download: one.name },
    icon("file"),
    h("span", {}, h("strong", {}, title), h("span", { class: "subtitle" }, `${one.name} · ${size(one.size)}`)),
  );
}

function size(bytes) {
  const units = ["B", "KB", "MB", "GB"];
  let shown = bytes;
  let at = 0;
  while (shown >= 1000 && at < units.length - 1) {
    shown /= 1000;
    at += 1;
  }
  return `${at ? shown.toFixed(1) : shown} ${units[at]}`;
}

function replies(message) {
  if (!message.reply_count) return null;
  const words = message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`;
  const isOpen = state.thread?.channel === message.channel && state.thread.root === message.ts;
  return h(
    "button",
    { type: "button", class: "replies", data: { do: "thread" }, "aria-expanded": String(isOpen) },
    h("span", { class: "faces" }, message.reply_users.slice(0, 3).map(avatar)),
    h("strong", {}, words),
    h("span", { class: "subtitle" }, `last at ${clock(message.latest_reply)}`),
  );
}

function tools(message, where) {
  if (message.only_for) return null;
  const onMessage = state.shortcuts.some((one) => one.on_message);
  const shown = [
    where === "log"
      ? h(
          "button",
          { type: "button", class: "plain", data: { do: "thread" } },
          icon("reply"),
          hidden("Reply in thread"),
        )
      : null,
    onMessage
      ? h(
          "button",
          { type: "button", class: "plain", "aria-haspopup": "menu", data: { do: "shortcuts" } },
          icon("more"),
          hidden("Shortcuts for this message"),
        )
      : null,
  ].filter(Boolean);
  return shown.length ? h("div", { class: "tools" }, shown) : null;
}
