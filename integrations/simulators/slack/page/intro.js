// The first screen: where one is, and what a newcomer may try; a click fills the composer.

import { fixed } from "./composer.js";
import { h, icon, morph } from "./dom.js";
import { state } from "./state.js";

/** What a newcomer may try: [what to type, why]. */
export function tries() {
  const find = (begin) => state.usages.some((usage) => usage.startsWith(begin));
  const all = [
    ["/protect vm01 to s3", "Lift a VM into the bucket, and watch each step in a thread"],
    ["/cloudy delete last", "Remove that recovery point: carol may not, alice has to ask, bob approves"],
    ["/audit", "Who did what, and when: each command, click and refusal"],
    ["/cloudy status", "What runs now"],
    ["/cloudy help", "What else there is to say"],
  ];
  const isOffered = ([text]) => state.usages.some((usage) => text.startsWith(fixed(usage.split("|")[0]))) || find(text);
  return all.filter(isOffered).slice(0, 3);
}

/** What stands above the first message of a channel. */
export function drawIntro(channel) {
  const title = channel?.is_direct ? "This is between you and Cloudy" : `This is #${channel?.name ?? ""}`;
  const words = channel?.is_direct
    ? "What Cloudy has for you alone stands here. Write to it as to a colleague: status, help."
    : "Cloudy lifts VMs into object storage, and tells each step here. Type a command below; three things to try:";
  const shown = channel?.is_direct ? [] : tries();
  const fresh = h(
    "div",
    { class: "intro" },
    h("span", { class: "intro-mark" }, icon("cloud")),
    h("h2", {}, title),
    h("p", {}, shown.length || channel?.is_direct ? words : "Nothing was said here yet."),
    shown.length
      ? h(
          "ul",
          { class: "tries" },
          shown.map(([text, why]) =>
            h(
              "li",
              {},
              h(
                "button",
                { type: "button", class: "try", data: { do: "try", text } },
                h("code", {}, text),
                h("span", { class: "subtitle" }, why),
              ),
            ),
          ),
        )
      : null,
    !shown.length
      ? null
      : h(
          "p",
          { class: "subtitle" },
          "A click puts it into the box below; Enter sends it. To act as bob, carol or dave, choose the name at “You are”.",
        ),
  );
  const place = document.getElementById("intro");
  if (place.firstElementChild) morph(place.firstElementChild, fresh);
  else place.append(fresh);
}
