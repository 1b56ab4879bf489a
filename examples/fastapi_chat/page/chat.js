"use strict";
// Everything a model or a tool writes goes into the page as text (textContent, append), never as HTML.

const TEXTS = {
  en: {
    language: "中文",
    newChat: "New chat",
    welcome: "What would you like to know?",
    hint: "Answers stream in, thinking folds away, tools run on the server, and Stop really stops the model.",
    samples: ["Who are you?", "What is 123 * 456?", "Give me a short introduction to large language models."],
    placeholder: "Ask something…",
    thinking: "Think first",
    send: "Send",
    stop: "Stop",
    thinkingNow: "Thinking…",
    thoughtFor: (seconds) => `Thought for ${seconds} s`,
    tool: "Tool",
    stopped: "Stopped",
    cut: "Cut: the limit on tokens was reached",
    cutCall: (name) => `Cut in the middle of a call of ${name}, which was not made`,
    summary: (tokens, seconds) => (tokens ? `${tokens} tokens · ${seconds} s` : `${seconds} s`),
    lost: "The connection to the app was lost.",
  },
  zh: {
    language: "English",
    newChat: "新对话",
    welcome: "想了解些什么？",
    hint: "回答逐字出现，思考过程可以折叠，工具在服务器上运行，“停止”会真正停下模型。",
    samples: ["你是谁？", "请解释相对论", "What is 123 * 456?"],
    placeholder: "请输入问题…",
    thinking: "先思考",
    send: "发送",
    stop: "停止",
    thinkingNow: "思考中…",
    thoughtFor: (seconds) => `思考了 ${seconds} 秒`,
    tool: "工具",
    stopped: "已停止",
    cut: "被截断：达到 token 上限",
    cutCall: (name) => `对 ${name} 的调用被截断，没有执行`,
    summary: (tokens, seconds) => (tokens ? `${tokens} 个 token · ${seconds} 秒` : `${seconds} 秒`),
    lost: "与应用的连接中断了。",
  },
};

const $ = (id) => document.getElementById(id);
const history = []; // what is sent: {role, text}
let running = null; // the AbortController of the answer under way
let following = true; // the end of the page is in view and is to stay there
let language = recall() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

function recall() {
  try {
    const kept = localStorage.getItem("language");
    return kept in TEXTS ? kept : null;
  } catch {
    return null; // storage is switched off
  }
}

function build(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

// A text of the page, shown anew when the language changes.
function label(element, key, ...values) {
  element.dataset.text = key;
  element.values = values;
  showLabel(element);
  return element;
}

function showLabel(element) {
  const text = TEXTS[language][element.dataset.text];
  element.textContent = typeof text === "function" ? text(...(element.values ?? [])) : text;
}

function showLanguage() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.querySelectorAll("[data-text]").forEach(showLabel);
  $("language").textContent = TEXTS[language].language;
  $("question").placeholder = TEXTS[language].placeholder;
  $("question").ariaLabel = TEXTS[language].placeholder;
  $("samples").replaceChildren(
    ...TEXTS[language].samples.map((sample) => {
      const button = build("button", "sample", sample);
      button.type = "button";
      button.onclick = () => ask(sample);
      return button;
    }),
  );
}

const MARKS = /(```[^\n]*\n[^]*?(?:\n```|$)|`[^`\n]+`|\*\*[^*\n]+\*\*)/;

// The little Markdown that matters most: code and bold. The rest stays as it was written.
function format(text) {
  return text.split(MARKS).map((piece, at) => {
    if (at % 2 === 0) return piece;
    if (piece.startsWith("```")) return build("pre", "", piece.replace(/^```.*\n|\n```$/g, ""));
    if (piece.startsWith("`")) return build("code", "", piece.slice(1, -1));
    return build("strong", "", piece.slice(2, -2));
  });
}

// One reply as it grows: thinking, tool calls and text, in the order in which they come.
class Reply {
  constructor() {
    this.element = build("article", "reply working");
    this.text = "";
    this.thinking = null;
    this.paragraph = null;
    this.tool = null;
    this.grown = new Set(); // paragraphs to draw anew
    this.frame = null;
    $("log").append(this.element);
  }

  take(event, data) {
    this[event]?.(data);
    // Tokens may come faster than the screen can show them: text is laid out once per frame.
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = null;
    for (const paragraph of this.grown) paragraph.replaceChildren(...format(paragraph.text));
    this.grown.clear();
    if (following) window.scrollTo(0, document.documentElement.scrollHeight);
  }

  reasoning(text) {
    if (!this.thinking) {
      this.paragraph = null;
      this.thinking = build("details", "thinking", label(build("summary", ""), "thinkingNow"), build("div", "prose"));
      this.thinking.open = true;
      this.startedAt = performance.now();
      this.element.append(this.thinking);
    }
    this.thinking.lastChild.append(text);
  }

  answer(text) {
    this.endThinking();
    if (!this.paragraph) {
      text = text.trimStart();
      if (!text) return;
      this.paragraph = build("div", "prose answer");
      this.paragraph.text = "";
      this.element.append(this.paragraph);
    }
    this.text += text;
    this.paragraph.text += text;
    this.grown.add(this.paragraph);
  }

  static describe({ name, args }) {
    const values = Object.entries(args).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    return `${name}(${values.join(", ")})`;
  }

  call(data) {
    this.endThinking();
    this.paragraph = null;
    this.tool = build("div", "tool", label(build("span", "badge"), "tool"), build("code", "", Reply.describe(data)));
    this.element.append(this.tool);
  }

  result({ text, failed }) {
    this.tool.append(build("span", "arrow", "→"), build("code", failed ? "failed" : "value", text));
  }

  done({ finish_reason: reason, tokens, seconds, cut_calls: cutCalls }) {
    cutCalls.forEach((name) => this.note("warning", "cutCall", name));
    if (reason === "length") this.note("warning", "cut");
    this.note("summary", "summary", tokens, seconds.toFixed(1));
    this.ended = true;
  }

  error(text) {
    this.element.append(build("div", "error", text));
    this.ended = true;
  }

  note(kind, key, ...values) {
    this.element.append(label(build("div", `note ${kind}`), key, ...values));
  }

  endThinking() {
    if (!this.thinking) return;
    this.thinking.open = false;
    const seconds = ((performance.now() - this.startedAt) / 1000).toFixed(1);
    label(this.thinking.firstChild, "thoughtFor", seconds);
    this.thinking = null;
  }

  end() {
    this.endThinking();
    this.element.classList.remove("working");
  }
}

// The page follows the text unless the reader has scrolled up.
window.onscroll = () => {
  const page = document.documentElement;
  following = page.scrollHeight - page.scrollTop - page.clientHeight < 80;
};

async function ask(question) {
  if (running || !question.trim()) return;
  $("welcome").hidden = true;
  $("log").append(build("article", "asked prose", question));
  const reply = new Reply();
  following = true;
  history.push({ role: "user", text: question });
  running = new AbortController();
  showRunning();
  try {
    await stream(reply, running.signal);
    if (!reply.ended) reply.error(TEXTS[language].lost);
  } catch (error) {
    if (error.name === "AbortError") reply.note("warning", "stopped");
    else reply.error(error instanceof TypeError ? TEXTS[language].lost : error.message);
  }
  reply.end();
  // A stopped answer is kept, so that one can ask on; a question that failed is not.
  if (reply.text) history.push({ role: "assistant", text: reply.text });
  else history.pop();
  running = null;
  showRunning();
  reply.draw();
}

async function stream(reply, signal) {
  const response = await fetch("chat", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ messages: history, thinking: $("thinking").checked }),
    signal,
  });
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}: ${await response.text()}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const fields = Object.fromEntries(event.split("\n").map((line) => line.split(/: (.*)/s)));
      if (fields.data) reply.take(fields.event, JSON.parse(fields.data)); // others are pings
    }
  }
}

function showRunning() {
  $("send").hidden = running !== null;
  $("stop").hidden = running === null;
  $("new").disabled = running !== null;
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

$("question").onkeydown = (event) => {
  // While an input method composes Chinese, Enter is its own.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
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
  history.length = 0;
  document.querySelectorAll("#log > article").forEach((element) => element.remove());
  $("welcome").hidden = false;
};

$("language").onclick = () => {
  language = language === "zh" ? "en" : "zh";
  try {
    localStorage.setItem("language", language);
  } catch {
    // it is forgotten with the page, then
  }
  showLanguage();
};

showLanguage();
fetch("model")
  .then((response) => response.json())
  .then(({ model }) => ($("model").textContent = model))
  .catch(() => {}); // the first question says what is wrong
