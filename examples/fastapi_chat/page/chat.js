// The conversation: asked, streamed, kept in the browser. The server keeps nothing.
import { Reply, build } from "./reply.js";
import { TEXTS } from "./texts.js";

const $ = (id) => document.getElementById(id);
const KEPT = "conversation";
let turns = []; // {question, record, ask: element, reply: Reply}
let running = null; // the AbortController of the answer under way
let editing = null; // the turn whose question is being edited
let following = true; // the end of the page is in view and is to stay there
let language = recall("language") ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
if (!(language in TEXTS)) language = "en";

// -- what the browser keeps --------------------------------------------------------------------------------------

function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // storage is switched off
  }
}

function keep(name, text) {
  try {
    localStorage.setItem(name, text);
    return true;
  } catch {
    return false; // switched off, or full
  }
}

// Keeps as many of the last turns as there is room for.
function keepTurns() {
  for (let from = 0; from <= turns.length; from += Math.max(1, (turns.length - from) >> 1)) {
    if (keep(KEPT, JSON.stringify(turns.slice(from).map(({ question, record }) => ({ question, record }))))) return;
  }
}

function recallTurns() {
  try {
    for (const { question, record } of JSON.parse(recall(KEPT) ?? "[]")) addTurn(question, record);
  } catch {
    keep(KEPT, "[]"); // of another version of this page
    dropTurns(0);
  }
}

// -- texts in the page's language --------------------------------------------------------------------------------

function label(element, key, ...values) {
  element.dataset.text = key;
  element.values = values;
  showLabel(element);
  return element;
}

function showLabel(element) {
  const text = element.dataset.text.split(".").reduce((texts, key) => texts?.[key], TEXTS[language]);
  element.textContent = typeof text === "function" ? text(...(element.values ?? [])) : (text ?? "");
}

function showLanguage() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.querySelectorAll("[data-text]").forEach(showLabel);
  $("language").textContent = TEXTS[language].language;
  $("question").placeholder = TEXTS[language].placeholder;
  $("question").ariaLabel = TEXTS[language].placeholder;
  $("samples").replaceChildren(
    ...TEXTS[language].samples.map((sample) => button("sample", sample, () => ask(sample))),
  );
}

function button(className, text, onclick) {
  const element = build("button", className, text);
  element.type = "button";
  element.onclick = onclick;
  return element;
}

function labelledButton(className, key, onclick) {
  return label(button(`quiet ${className}`, "", onclick), key);
}

async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    return; // a page that came over plain HTTP from another machine may not write there
  }
  label(from, "copied");
  setTimeout(() => label(from, "copy"), 1500);
}

// -- turns -------------------------------------------------------------------------------------------------------

function addTurn(question, record = { parts: [] }) {
  const turn = { question, record, reply: new Reply(record, label) };
  const buttons = build("div", "actions", labelledButton("edit", "edit", () => edit(turn)));
  turn.ask = build("div", "question", build("article", "asked prose", question), buttons);
  turn.reply.onGrow = follow;
  turns.push(turn);
  $("log").append(turn.ask, turn.reply.element);
  $("welcome").hidden = true;
  if (record.parts.length) addActions(turn);
  return turn;
}

function addActions(turn) {
  const copyButton = labelledButton("copy", "copy", () => copy(turn.reply.text, copyButton));
  const retryButton = labelledButton("retry", "retry", () => retry(turn));
  turn.reply.element.append(build("div", "actions", ...(turn.reply.text ? [copyButton] : []), retryButton));
  for (const block of turn.reply.element.querySelectorAll(".answer pre")) {
    const one = labelledButton("copy code", "copy", () => copy(block.querySelector("code").textContent, one));
    block.append(one);
  }
}

function dropTurns(from) {
  for (const { ask, reply } of turns.splice(from)) {
    ask.remove();
    reply.element.remove();
  }
  $("welcome").hidden = turns.length > 0;
}

function retry(turn) {
  if (running) return;
  dropTurns(turns.indexOf(turn));
  ask(turn.question);
}

function edit(turn) {
  if (running) return;
  editing = turn;
  $("question").value = turn.question;
  $("editing").hidden = false;
  fitQuestion();
  $("question").focus();
}

function stopEditing() {
  editing = null;
  $("editing").hidden = true;
}

// What is sent: questions and answers. A question that came to nothing is left out.
function buildMessages() {
  const messages = turns.slice(0, -1).flatMap(({ question, reply: { text } }) =>
    text ? [{ role: "user", text: question }, { role: "assistant", text }] : [],
  );
  return [...messages, { role: "user", text: turns.at(-1).question }];
}

async function ask(question) {
  if (running || !question.trim()) return;
  if (editing) dropTurns(turns.indexOf(editing));
  stopEditing();
  const turn = addTurn(question);
  const { reply } = turn;
  following = true;
  running = new AbortController();
  showRunning();
  reply.start();
  const saving = setInterval(keepTurns, 1000);
  try {
    await stream(reply, buildMessages(), running.signal);
    if (!reply.ended) reply.error("lost");
  } catch (error) {
    if (error.name === "AbortError") reply.note("warning", "stopped");
    else reply.error(error.kind ?? "lost");
  }
  clearInterval(saving);
  reply.end();
  addActions(turn);
  running = null;
  showRunning();
  keepTurns();
  follow();
}

const KINDS = { 413: "tooLong", 422: "tooLong", 429: "busy", 503: "busy" };

async function stream(reply, messages, signal) {
  const response = await fetch("chat", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ messages, thinking: $("thinking").checked }),
    signal,
  });
  if (!response.ok) throw Object.assign(new Error(), { kind: KINDS[response.status] ?? "failed" });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const fields = Object.fromEntries(event.split("\n").map((line) => line.split(/: (.*)/s)));
      if (!fields.data) continue; // a ping
      const data = JSON.parse(fields.data);
      reply.take(fields.event, data);
      if (fields.event === "done") showModel(data.model);
    }
  }
}

// -- the page ----------------------------------------------------------------------------------------------------

// The page follows the text unless the reader has scrolled up.
window.onscroll = () => {
  const page = document.documentElement;
  following = page.scrollHeight - page.scrollTop - page.clientHeight < 80;
};

function follow() {
  if (following) window.scrollTo(0, document.documentElement.scrollHeight);
}

// The name as it is configured, until a reply says which model wrote it.
function showModel(name) {
  if (name) $("model").textContent = name;
}

function showRunning() {
  document.body.classList.toggle("running", running !== null);
  $("send").hidden = running !== null;
  $("stop").hidden = running === null;
  $("new").disabled = running !== null;
  $("log").ariaBusy = running !== null; // a screen reader reads an answer once, when it is complete
  if (!running) $("question").focus();
}

$("form").onsubmit = (event) => {
  event.preventDefault();
  const question = $("question").value;
  if (running || !question.trim()) return;
  $("question").value = "";
  fitQuestion();
  ask(question);
};

function leaveQuestion() {
  if (!editing) return;
  $("question").value = "";
  fitQuestion();
  stopEditing();
}

$("editing").onclick = leaveQuestion;

$("question").onkeydown = (event) => {
  if (event.key === "Escape") leaveQuestion();
  // While an input method composes Chinese, Enter is its own. In Safari, composing is over by then; 229 tells
  // (https://bugs.webkit.org/show_bug.cgi?id=165004).
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  $("form").requestSubmit();
};

function fitQuestion() {
  const field = $("question");
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

$("question").oninput = fitQuestion;
$("stop").onclick = () => running?.abort();

$("new").onclick = () => {
  dropTurns(0);
  stopEditing();
  keepTurns();
};

$("language").onclick = () => {
  language = language === "zh" ? "en" : "zh";
  keep("language", language);
  showLanguage();
};

// A page that goes away in the middle of an answer keeps what came of it.
window.onpagehide = () => {
  if (!running) return;
  turns.at(-1).reply.note("warning", "stopped");
  keepTurns();
};

recallTurns();
showLanguage();
fetch("model")
  .then((response) => response.json())
  .then(({ model }) => showModel(model))
  .catch(() => {}); // the first question says what is wrong
