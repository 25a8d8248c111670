// The way to the local Slack: one WebSocket that tells, and posted acts. Both go to the server the page came from.

import { apply, state } from "./state.js";

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 3000;
let socket = null;
let waitMs = FIRST_WAIT_MS;
let timer = null;

export function connect() {
  clearTimeout(timer);
  const line = new WebSocket(`ws://${location.host}/page/events?user=${encodeURIComponent(state.user)}`);
  socket?.close();
  socket = line;
  line.onopen = () => {
    waitMs = FIRST_WAIT_MS;
  };
  line.onmessage = ({ data }) => {
    if (line !== socket) return;
    const event = JSON.parse(data);
    apply(event);
    if (event.kind === "hello") {
      document.body.dataset.ready = state.user;
      document.body.removeAttribute("data-lost");
    }
  };
  line.onclose = () => {
    if (line !== socket) return;
    document.body.removeAttribute("data-ready");
    document.body.dataset.lost = "";
    timer = setTimeout(connect, waitMs);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  };
}

export function look(question) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(question));
}

/** Carry out an act as the person that looks through the page; an answer with `error` where it cannot be. */
export async function act(name, given = {}) {
  try {
    const answer = await fetch(`/page/act/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user: state.user, ...given }),
    });
    return await answer.json();
  } catch {
    return { ok: false, error: "The local Slack does not answer. Is the demo still running?" };
  }
}

export async function rows(query) {
  try {
    return await (await fetch(`/page/record?${new URLSearchParams(query)}`)).json();
  } catch {
    return null;
  }
}
