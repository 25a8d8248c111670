// A list of messages that stays quick: of a long history only a window is in the document.

import { h, redraw } from "./dom.js";
import { drawMessage, lookOf } from "./messages.js";

const FIRST = 60;
const STEP = 40;
const MOST = 160;
const NEAR_PX = 300;
const QUIET_MS = 500;

export class MessageList {
  /** scroller holds list; where: see drawMessage; more: called when older messages than there are here are wanted. */
  constructor(scroller, list, where, more = () => {}) {
    Object.assign(this, { scroller, list, where, more });
    this.drawn = new Map(); // by ts: {node, message, look}
    this.messages = [];
    this.reset();
    scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    // A picture that has loaded, a pane that has grown: who read the newest goes on reading the newest.
    new ResizeObserver(() => this.isFollowing && this.toEnd()).observe(list);
  }

  reset() {
    this.from = null; // ts of the first one in the window; null: FIRST from the end
    this.to = null; // ts of the last one; null: the newest
    this.isFollowing = true;
    this.hasMore = false;
    this.begun = ""; // ts of the private answer that was shown from its beginning
    this.drawn.clear();
    this.list.replaceChildren();
  }

  show(messages, hasMore = false) {
    const [first] = this.messages;
    const grewAbove = first && messages[0] && messages[0].ts < first.ts;
    this.messages = messages;
    this.hasMore = hasMore;
    this.isAsked = false;
    if (grewAbove && !this.isFollowing) this.reach(-STEP);
    else this.draw();
  }

  get bounds() {
    const { messages } = this;
    const end = this.to === null ? messages.length : index(messages, this.to) + 1;
    const start = this.from === null ? Math.max(0, end - FIRST) : index(messages, this.from);
    return [Math.max(0, Math.min(start, end - 1)), end];
  }

  draw() {
    this.hush();
    if (this.isFollowing) {
      this.to = null;
      const [start, end] = this.bounds;
      if (end - start > MOST) this.from = null;
    }
    const [start, end] = this.bounds;
    const wanted = this.messages.slice(start, end);
    const kept = this.isFollowing ? null : this.anchor();
    const hadFocus = this.list.contains(document.activeElement);
    const keys = new Set(wanted.map((message) => message.ts));
    for (const [ts, { node }] of this.drawn) {
      if (keys.has(ts)) continue;
      node.remove();
      this.drawn.delete(ts);
    }
    let at = this.list.firstChild;
    wanted.forEach((message, position) => {
      const node = this.nodeOf(message, lookOf(message, this.messages[start + position - 1]));
      if (node === at) at = at.nextSibling;
      else this.list.insertBefore(node, at);
    });
    if (hadFocus && !this.list.contains(document.activeElement)) this.list.focus({ preventScroll: true });
    if (this.isFollowing) this.toEnd();
    else if (kept) this.restore(kept);
    this.tell();
  }

  /** Old messages that come into the window are no news: a screen reader is told of those at the end alone. */
  hush() {
    const isNews = this.isFollowing && this.drawn.size > 0;
    this.list.setAttribute("aria-live", isNews ? "polite" : "off");
    clearTimeout(this.hushed);
    if (!isNews)
      this.hushed = setTimeout(() => this.isFollowing && this.list.setAttribute("aria-live", "polite"), QUIET_MS);
  }

  nodeOf(message, look) {
    const known = this.drawn.get(message.ts);
    const isSame = known && known.look.isNewDay === look.isNewDay && known.look.isFollowing === look.isFollowing;
    if (isSame && known.message === message && !known.isStale) return known.node;
    const fresh = drawMessage(message, look, this.where(message));
    const node = known ? redraw(known.node, fresh, "article") : fresh;
    this.drawn.set(message.ts, { node, message, look });
    return node;
  }

  /** Draw all anew: names or the open thread have changed. */
  refresh() {
    for (const known of this.drawn.values()) known.isStale = true;
    this.draw();
  }

  anchor() {
    const top = this.scroller.getBoundingClientRect().top;
    for (const node of this.list.children) {
      const box = node.getBoundingClientRect();
      if (box.bottom > top) return { node, offset: box.top };
    }
    return null;
  }

  restore({ node, offset }) {
    if (node.isConnected) this.scroller.scrollTop += node.getBoundingClientRect().top - offset;
  }

  /** To the end; a private answer that is longer than the screen is read from its beginning, once. */
  toEnd() {
    const { scroller } = this;
    scroller.scrollTop = scroller.scrollHeight;
    const newest = this.messages.at(-1);
    if (!newest?.only_for || newest.ts === this.begun) return;
    const node = this.drawn.get(newest.ts)?.node;
    const above = node ? scroller.getBoundingClientRect().top - node.getBoundingClientRect().top : 0;
    if (above <= 0) return;
    this.begun = newest.ts;
    this.isFollowing = false;
    scroller.scrollTop -= above;
  }

  /** Go to the newest. */
  follow() {
    this.begun = this.messages.at(-1)?.ts;
    this.isFollowing = true;
    this.from = null;
    this.draw();
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const left = scrollHeight - scrollTop - clientHeight;
    const [start, end] = this.bounds;
    this.isFollowing = left < 40 && end === this.messages.length;
    if (!this.isFollowing && scrollTop < NEAR_PX) {
      if (start > 0) this.reach(-STEP);
      else if (this.hasMore && !this.isAsked) {
        this.isAsked = true;
        this.more(this.messages[0]?.ts);
      }
    } else if (left < NEAR_PX && end < this.messages.length) this.reach(STEP);
    this.tell();
  }

  /** Move the window up or down. */
  reach(step) {
    let [start, end] = this.bounds;
    if (step < 0) start = Math.max(0, start + step);
    else end = Math.min(this.messages.length, end + step);
    if (end - start > MOST) {
      if (step < 0) end = start + MOST;
      else start = end - MOST;
    }
    this.from = this.messages[start]?.ts ?? null;
    this.to = end >= this.messages.length ? null : this.messages[end - 1].ts;
    this.draw();
  }

  tell() {
    this.onmove?.(this.isFollowing, this.bounds[0] === 0 && !this.hasMore);
  }
}

function index(messages, ts) {
  let low = 0;
  let high = messages.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (messages[middle].ts < ts) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const listNode = (label) =>
  h("ol", {
    class: "messages",
    role: "log",
    "aria-live": "polite",
    "aria-relevant": "additions",
    "aria-label": label,
    tabindex: "-1",
  });
