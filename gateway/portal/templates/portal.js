// Makes the page live. Without this script everything works as well: pages are then read again by hand.
"use strict";

const hover = matchMedia("(hover: hover)").matches;
const announcements = document.getElementById("announcements");
let shown = Number(document.body.dataset.version || 0);
let wanted = shown;
let reading = false;
let timer = 0;

// What the answer to a form has put into the address would be said again by a reload.
const address = new URL(location.href);
for (const name of ["notice", "after"]) address.searchParams.delete(name);
if (address.href !== location.href) history.replaceState(null, "", address);

// Live parts.

function mustWait(part) {
  if (part.contains(document.activeElement)) return true;
  if (part.querySelector("details[data-menu][open]")) return true;
  return hover && part.querySelector(":is(a, button, summary, input, select, textarea):hover") !== null;
}

function say(part, before) {
  for (const spoken of part.querySelectorAll("[data-announce]")) {
    const text = spoken.textContent.replace(/\s+/g, " ").trim();
    if (announcements && text !== before.get(spoken.dataset.announce)) announcements.textContent = text;
  }
}

function textsOf(part) {
  const texts = new Map();
  for (const spoken of part.querySelectorAll("[data-announce]")) {
    texts.set(spoken.dataset.announce, spoken.textContent.replace(/\s+/g, " ").trim());
  }
  return texts;
}

function openedIn(part) {
  return new Set([...part.querySelectorAll("details[id][open]")].map((one) => one.id));
}

// Returns whether every part now shows what was read.
function replaceParts(fresh) {
  let all = true;
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next) continue;
    const opened = openedIn(part);
    for (const id of opened) next.querySelector(`details[id="${CSS.escape(id)}"]`)?.setAttribute("open", "");
    // Forms get a new id with each rendering: that alone is no change.
    if (sameText(part, next)) continue;
    if (mustWait(part)) {
      all = false;
      continue;
    }
    const before = textsOf(part);
    part.replaceWith(next);
    say(next, before);
  }
  return all;
}

function sameText(part, next) {
  const plain = (one) => one.innerHTML.replace(/name="id" value="[^"]*"/g, "");
  return plain(part) === plain(next);
}

async function readAgain() {
  timer = 0;
  if (reading) return;
  // A form is under way: its answer is a new page, and this one may no longer be there.
  if (document.querySelector("form[data-sent]")) return later(1000);
  reading = true;
  const version = wanted;
  try {
    const target = new URL(address);
    target.searchParams.set("after", String(version));
    const answer = await fetch(target, { credentials: "same-origin" });
    if (answer.status === 401 || answer.status === 404) return ended();
    if (!answer.ok) return later(5000);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (replaceParts(fresh)) shown = Math.max(version, Number(fresh.body.dataset.version || 0));
    else later(1000);
  } catch {
    later(5000);
  } finally {
    reading = false;
  }
  if (wanted > shown && !timer) later(250);
}

function later(ms) {
  if (!timer) timer = setTimeout(readAgain, ms);
}

// The session has ended, or what the page was about is gone: a reload says so, and shows nothing old.
function ended() {
  source?.close();
  location.reload();
}

// A page whose form was refused was not got by its address: it is not read again.
const refused = document.getElementById("errors");
let source = null;
function follow() {
  source = new EventSource(document.body.dataset.events);
  source.onopen = () => (document.body.dataset.live = "on");
  source.addEventListener("account-snapshot", (event) => {
    wanted = Math.max(wanted, JSON.parse(event.data).version);
    if (wanted > shown) later(100);
  });
  source.addEventListener("reset", () => later(100));
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) return;
    // It was refused, so the browser gives it up.
    later(1000);
    setTimeout(follow, 10000);
  };
}
if (document.body.dataset.events && !refused && "EventSource" in window) {
  follow();
  // Figures that no event changes, such as times, follow once a minute.
  setInterval(() => document.visibilityState === "visible" && later(0), 60000);
}
refused?.focus();

// Forms: under way after the first press; a second one sends nothing.

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  const button = event.submitter || form.querySelector("button");
  if (!button) return;
  button.setAttribute("aria-disabled", "true");
  button.dataset.text = button.textContent;
  button.textContent = button.dataset.busy || button.textContent;
});

// Back from another page: the form may be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button[aria-disabled]")) {
      button.removeAttribute("aria-disabled");
      button.textContent = button.dataset.text;
    }
  }
});

// Menus close when something else is used, and by Escape.

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!except || !menu.contains(except)) menu.open = false;
  }
}

document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("focusin", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement?.closest("details[data-menu][open]");
  closeMenus();
  menu?.querySelector("summary").focus();
});
