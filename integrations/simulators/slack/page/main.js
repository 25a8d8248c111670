// Puts the page together: which place is shown, whose eyes, which panes.

import { listen } from "./acts.js";
import { Composer } from "./composer.js";
import { hidden, icon, morph } from "./dom.js";
import * as drawer from "./drawer.js";
import { drawHome } from "./home.js";
import { drawIntro, tries } from "./intro.js";
import { listNode, MessageList } from "./log.js";
import * as modal from "./modal.js";
import { shownName } from "./messages.js";
import { drawSide } from "./people.js";
import { menu, notice } from "./popups.js";
import { changed, logOf, messageAt, on, onArrival, state, threadKey } from "./state.js";
import { act, connect, look } from "./wire.js";

const WIDE_PX = 1000;
const MINE_MS = 20000;
const HISTORY = 200;
const $ = (id) => document.getElementById(id);
let sentAt = 0; // when this person last used a command: its thread opens by itself
let wanted = "ops"; // the place to show when the server has said what there is, also when it says so again

// --- the conversation ---

const list = listNode("Messages");
const log = new MessageList(
  $("scroller"),
  list,
  () => "log",
  (before) => look({ channel: state.place, before, most: HISTORY }),
);
const composer = new Composer(
  "Message",
  () => ({ channel: state.place }),
  () => {
    sentAt = Date.now();
    log.follow();
  },
);
const reply = new Composer(
  "Reply",
  () => ({ channel: state.thread?.channel, thread: state.thread?.root }),
  () => thread.follow(),
);
const threadList = listNode("Thread");
const thread = new MessageList($("thread-scroller"), threadList, (message) =>
  message.ts === state.thread?.root ? "root" : "reply",
);

const channelNow = () => state.channels.get(state.place);
const placeName = (channel) => (channel?.is_direct ? shownName(state.bot) : `#${channel?.name ?? ""}`);

function drawPlace() {
  const channel = channelNow();
  const isHome = state.place === "home";
  document.body.dataset.place = isHome ? "home" : "channel";
  $("place-name").textContent = isHome ? "Home of Cloudy" : placeName(channel);
  $("place-note").textContent = note(channel, isHome);
  document.title = `${$("place-name").textContent} · Cloudy`;
  list.setAttribute("aria-label", `Messages in ${placeName(channel)}`);
  composer.relabel(channel?.is_direct ? "Message Cloudy" : `Message ${placeName(channel)}, or type /`);
  $("offline").hidden = state.isConnected !== false;
  if (!isHome) drawIntro(channel);
}

function note(channel, isHome) {
  if (isHome) return `as ${state.user} sees it`;
  if (channel?.is_archived) return "archived";
  return channel?.is_direct ? `between you and the app` : `you are ${state.user}`;
}

function drawLog() {
  if (state.place === "home" || !channelNow()) return;
  const known = logOf(state.place);
  if (!known.isLoaded) look({ channel: state.place, most: HISTORY });
  else log.show([...known.roots.values()], known.hasMore);
}

log.onmove = (isFollowing, isAtStart) => {
  $("to-end").hidden = isFollowing || !log.messages.length;
  $("intro").hidden = !isAtStart;
};

// --- places, people, threads ---

function goTo(place) {
  state.place = place;
  state.unread.delete(place);
  closeThread();
  log.reset();
  log.messages = [];
  show("main");
  keepAddress();
  changed("people", "place", "log", "home");
  if (place === "home") act("home");
}

/** A reload shows the same person the same place. */
function keepAddress() {
  const channel = channelNow();
  wanted = channel ? (channel.is_direct ? "@" : channel.name) : state.place;
  history.replaceState(null, "", `#${state.user}/${wanted}`);
}

function lookThrough(user) {
  if (user === state.user) return;
  state.user = user;
  state.unread.clear();
  state.elsewhere.delete(user);
  closeThread();
  document.body.removeAttribute("data-ready");
  connect();
}

on("hello", () => {
  const channels = [...state.channels.values()];
  const found =
    wanted === "@"
      ? channels.find((one) => one.is_direct)
      : channels.find((one) => !one.is_direct && one.name === wanted);
  const place = wanted === "home" ? "home" : (found?.id ?? state.channels.get(state.place)?.id ?? channels[0]?.id);
  const open = state.thread;
  log.reset();
  log.messages = [];
  if (place !== state.place) goTo(place);
  else if (place === "home") act("home");
  keepAddress();
  if (open) openThread(open.channel, open.root, false);
});

function openThread(channel, root, takesFocus = true) {
  state.thread = { channel, root };
  thread.reset();
  thread.messages = [];
  $("thread").hidden = false;
  document.body.dataset.thread = "";
  look({ channel, thread: root });
  reply.relabel(`Reply, or @${state.users.get(state.bot)?.name ?? "cloudy"} stop`);
  if (takesFocus) {
    show("thread");
    $("thread").focus();
  }
  log.refresh();
  changed("thread");
}

function closeThread() {
  const was = state.thread;
  state.thread = null;
  $("thread").hidden = true;
  delete document.body.dataset.thread;
  show("main");
  if (!was) return;
  log.refresh();
  list.querySelector(`[data-ts="${was.root}"] [data-do=thread]`)?.focus();
}

function drawThread() {
  if (!state.thread) return;
  const { channel, root } = state.thread;
  const messages = state.threads.get(threadKey(channel, root));
  $("thread-place").textContent = placeName(state.channels.get(channel));
  if (messages) thread.show([...messages.values()]);
  $("thread-empty").hidden = !messages || messages.size > 0;
}

onArrival((message) => {
  const root = message.thread_ts;
  if (!root || state.thread?.root === root || message.channel !== state.place) return;
  if (message.only_for)
    notice("Cloudy has something for you in a thread.", {
      label: "Open it",
      act: () => openThread(message.channel, root),
    });
  else if (!state.thread && innerWidth >= WIDE_PX && Date.now() - sentAt < MINE_MS)
    openThread(message.channel, root, false);
});

/** On a phone the panes are screens: "side", "main" or "thread". */
function show(screen) {
  document.body.dataset.screen = screen;
}

// --- what the page's own buttons do ---

function shortcuts(anchor, message = null) {
  const found = state.shortcuts.filter((one) => one.on_message === Boolean(message));
  const entries = found.map((one) => ({
    label: one.label,
    act: async () => {
      const answer = await act("shortcut", {
        callback_id: one.callback_id,
        channel: message?.channel ?? "",
        ts: message?.ts ?? "",
      });
      if (answer.error) notice(answer.text ?? answer.error);
    },
  }));
  menu(anchor, entries, "Shortcuts");
}

/** Everybody sees a channel; in the app's home nothing can be typed. */
function tryOut(text) {
  const channel = channelNow();
  if (!channel || channel.is_direct) goTo([...state.channels.values()].find((one) => !one.is_direct)?.id ?? state.place);
  show("main");
  drawPlace();
  composer.fill(text);
}

const DOES = {
  place: (node) => goTo(node.dataset.place),
  person: (node) => lookThrough(node.dataset.person),
  try: (node) => composer.fill(node.dataset.text),
  thread: (node) => {
    const { channel, ts } = node.closest("[data-ts]").dataset;
    openThread(channel, ts);
  },
  shortcuts: (node) => {
    const at = node.closest("[data-ts]")?.dataset;
    shortcuts(node, at ? messageAt(at.channel, at.ts) : null);
  },
  "close-thread": closeThread,
  side: () => show("side"),
  "to-end": () => log.follow(),
  "to-composer": () => (state.thread ? reply : composer).input.focus(),
  tries: (node) => {
    const entries = tries().map(([text, why]) => ({ label: text, note: why, act: () => tryOut(text) }));
    menu(node, entries, "What to try");
  },
  drawer: toggleDrawer,
};

function toggleDrawer() {
  const pane = $("drawer");
  pane.hidden = !pane.hidden;
  $("drawer-button").setAttribute("aria-expanded", String(!pane.hidden));
  drawer.toggle(!pane.hidden);
  if (pane.hidden) $("drawer-button").focus();
  else pane.querySelector("#record-filter").focus();
}

document.addEventListener("click", (event) => {
  const node = event.target.closest("[data-do]");
  if (node) DOES[node.dataset.do]?.(node);
});

document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  const group = event.target.closest?.(".people");
  if (group && step) {
    const buttons = [...group.querySelectorAll("button")];
    const next = buttons[(buttons.indexOf(event.target) + step + buttons.length) % buttons.length];
    event.preventDefault();
    next.focus();
    lookThrough(next.dataset.person);
  } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    if (!$("drawer").hidden) toggleDrawer();
    else if (state.thread) closeThread();
  }
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && state.unread.delete(state.place)) changed("people");
});

function drawPeople() {
  const place = $("side");
  const fresh = drawSide();
  if (place.firstElementChild) morph(place.firstElementChild, fresh);
  else place.append(fresh);
}

function start() {
  $("scroller").append(list);
  $("thread-scroller").append(threadList);
  $("composer").append(composer.root);
  $("reply").append(reply.root);
  drawer.start($("drawer"));
  modal.start();
  listen();
  on("people", drawPeople);
  on("place", drawPlace);
  on("log", drawLog);
  on("thread", drawThread);
  on("home", drawHome);
  const [user, place] = decodeURIComponent(location.hash.slice(1)).split("/");
  if (["alice", "bob", "carol", "dave"].includes(user)) state.user = user;
  if (place) wanted = place;
  show("main");
  connect();
}

for (const node of document.querySelectorAll("[data-icon]"))
  node.prepend(icon(node.dataset.icon), node.dataset.words ? hidden(node.dataset.words) : "");
start();
