// What the page knows, as one person sees it; changed by the events of the WebSocket alone.

export const state = {
  user: "alice",
  me: "",
  bot: "",
  isConnected: null,
  users: new Map(),
  groups: new Map(),
  channels: new Map(),
  usages: [],
  shortcuts: [],
  switches: {},
  modals: [],
  home: null,
  logs: new Map(), // by channel id: {roots: Map by ts, hasMore, isLoaded}
  threads: new Map(), // by "channel root": Map by ts
  unread: new Map(), // by channel id
  elsewhere: new Set(), // names of people who got something that this one cannot see
  place: "", // channel id, or "home"
  thread: null, // {channel, root}
};

const listeners = new Map();
const dirty = new Set();

export function on(topic, draw) {
  listeners.set(topic, [...(listeners.get(topic) ?? []), draw]);
}

/** Let a part be drawn again, once for all changes that come before the next frame. */
export function changed(...topics) {
  if (dirty.size === 0) {
    if (document.hidden) setTimeout(flush, 50);
    else requestAnimationFrame(flush);
  }
  topics.forEach((topic) => dirty.add(topic));
}

function flush() {
  const topics = [...dirty];
  dirty.clear();
  for (const topic of topics) for (const draw of listeners.get(topic) ?? []) draw();
}

const arrivals = [];
/** Be called with each message that has just come, not with those that were there before. */
export const onArrival = (listener) => arrivals.push(listener);

export const names = {
  user: (id) => state.users.get(id)?.name ?? id,
  channel: (id) => state.channels.get(id)?.name ?? id,
  group: (id) => state.groups.get(id)?.handle ?? id,
};

export function logOf(channel) {
  if (!state.logs.has(channel)) state.logs.set(channel, { roots: new Map(), hasMore: false, isLoaded: false });
  return state.logs.get(channel);
}

export const threadKey = (channel, root) => `${channel} ${root}`;

export function messageAt(channel, ts) {
  const root = state.logs.get(channel)?.roots.get(ts);
  if (root) return root;
  for (const [key, messages] of state.threads)
    if (key.startsWith(`${channel} `) && messages.has(ts)) return messages.get(ts);
  return null;
}

const sorted = (map) => new Map([...map].sort(([one], [other]) => (one < other ? -1 : 1)));

const handlers = {
  hello(event) {
    Object.assign(state, { me: event.me, bot: event.bot, usages: event.usages, shortcuts: event.shortcuts });
    state.users = new Map(event.users.map((user) => [user.id, user]));
    state.groups = new Map(event.groups.map((group) => [group.id, group]));
    state.channels = new Map(event.channels.map((channel) => [channel.id, channel]));
    state.logs.clear();
    state.threads.clear();
    state.elsewhere.delete(state.user);
    changed("hello", "people", "place", "log", "thread");
  },
  channels(event) {
    state.channels = new Map(event.channels.map((channel) => [channel.id, channel]));
    changed("people", "place");
  },
  switches(event) {
    state.switches = event;
    changed("drawer");
  },
  bot(event) {
    state.isConnected = event.is_connected;
    changed("people", "place");
  },
  views(event) {
    state.modals = event.modals;
    state.home = event.home;
    changed("modal", "home");
  },
  elsewhere(event) {
    if (event.user !== state.user) state.elsewhere.add(event.user);
    changed("people");
  },
  history(event) {
    const log = logOf(event.channel);
    for (const message of event.messages) log.roots.set(message.ts, message);
    log.roots = sorted(log.roots);
    log.hasMore = event.has_more;
    log.isLoaded = true;
    changed("log", "place");
  },
  thread(event) {
    const messages = event.messages.map((message) => [message.ts, message]);
    state.threads.set(threadKey(event.channel, event.root), new Map(messages));
    changed("thread");
  },
  message(event) {
    figures(event);
    const { message } = event;
    const isNew = event.how !== "edited";
    if (!state.channels.has(message.channel)) return;
    keep(message);
    if (isNew) {
      const isRead = state.place === message.channel && !document.hidden && message.user !== state.me;
      if (!isRead && message.user !== state.me && !message.thread_ts) {
        state.unread.set(message.channel, (state.unread.get(message.channel) ?? 0) + 1);
        changed("people");
      }
      arrivals.forEach((listener) => listener(message));
    }
  },
  gone(event) {
    figures(event);
    state.logs.get(event.channel)?.roots.delete(event.ts);
    for (const [key, messages] of state.threads) if (key.startsWith(`${event.channel} `)) messages.delete(event.ts);
    changed("log", "thread");
  },
};

function keep(message) {
  const thread = state.threads.get(threadKey(message.channel, message.thread_ts || message.ts));
  if (thread) {
    thread.set(message.ts, message);
    changed("thread");
  }
  if (message.thread_ts) return;
  const log = logOf(message.channel);
  if (!log.isLoaded) return;
  const oldest = log.roots.keys().next().value ?? "";
  if (log.hasMore && message.ts < oldest) return;
  log.roots.set(message.ts, message);
  changed("log");
}

function figures(event) {
  if (!event.root) return;
  const channel = event.channel ?? event.message.channel;
  const { ts, ...numbers } = event.root;
  const log = state.logs.get(channel);
  const root = log?.roots.get(ts);
  if (!root) return;
  log.roots.set(ts, { ...root, ...numbers });
  changed("log");
}

export function apply(event) {
  handlers[event.kind]?.(event);
}
