// The App Home, in place of a conversation.

import { drawBlocks } from "./blocks.js";
import { h, redraw } from "./dom.js";
import { state } from "./state.js";

/** The App Home as the app has published it for this person. */
export function drawHome() {
  const place = document.getElementById("home");
  const view = state.home;
  const fresh = view
    ? h(
        "div",
        { class: "home-view", data: { view: view.id }, tabindex: "-1" },
        drawBlocks(view.blocks, { key: view.id, values: view.state?.values }),
      )
    : h("div", { class: "home-view" }, h("p", { class: "subtitle" }, "Cloudy has drawn no home for you yet."));
  if (place.firstElementChild) redraw(place.firstElementChild, fresh, ".home-view");
  else place.append(fresh);
}
