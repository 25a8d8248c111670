// The side: channels, the app, and whose eyes one looks through.

import { h, hidden, icon } from "./dom.js";
import { avatar, shownName } from "./messages.js";
import { state } from "./state.js";

export function drawSide() {
  const channels = [...state.channels.values()];
  return h(
    "div",
    { class: "side-inner" },
    h(
      "div",
      { class: "brand" },
      icon("cloud"),
      h("div", {}, h("strong", {}, "Cloudy"), h("span", {}, "on this machine")),
    ),
    h(
      "nav",
      { "aria-label": "Conversations" },
      section(
        "Channels",
        channels
          .filter((one) => !one.is_direct)
          .map((one) => entry(one.id, `${one.is_private ? "🔒" : "#"} ${one.name}`)),
      ),
      section(
        "Direct messages",
        channels
          .filter((one) => one.is_direct)
          .map((one) =>
            entry(one.id, shownName(state.bot), h("span", { class: isHere() ? "dot on" : "dot" }), presence()),
          ),
      ),
      section("App", [entry("home", "Home of Cloudy", icon("home"))]),
    ),
    h(
      "div",
      { class: "people", role: "radiogroup", "aria-labelledby": "you-are" },
      h("h2", { id: "you-are" }, "You are"),
      [...state.users.values()].filter((user) => user.title).map(person),
    ),
  );
}

const section = (title, entries) => [
  h("h2", {}, title),
  h(
    "ul",
    {},
    entries.map((one) => h("li", {}, one)),
  ),
];

const isHere = () => state.isConnected === true;

function entry(place, name, mark = null, note = null) {
  const unread = state.unread.get(place) ?? 0;
  return h(
    "button",
    {
      type: "button",
      class: unread ? "entry unread" : "entry",
      data: { do: "place", place },
      "aria-current": state.place === place ? "page" : null,
    },
    mark,
    h("span", { class: "name" }, name, note),
    unread ? h("span", { class: "badge" }, String(unread), hidden(" new")) : null,
  );
}

function presence() {
  if (state.isConnected === null) return null;
  return hidden(isHere() ? " (connected)" : " (not connected)");
}

function person(user) {
  const isMe = user.name === state.user;
  return h(
    "button",
    {
      type: "button",
      role: "radio",
      "aria-checked": String(isMe),
      tabindex: isMe ? "0" : "-1",
      class: "person",
      data: { do: "person", person: user.name },
    },
    avatar(user.id),
    h("span", { class: "name" }, shownName(user.id), h("span", { class: "role" }, user.title)),
    state.elsewhere.has(user.name)
      ? h("span", { class: "badge dot-badge", title: "Something new for this person alone" }, hidden("something new"))
      : null,
  );
}
