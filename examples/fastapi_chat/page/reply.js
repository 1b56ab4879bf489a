// One reply: a record of what came, in the order in which it came, and its picture on the page.
import { MarkdownView } from "./markdown.js";

// Why a model ends by itself, in servers' words. Any other word means that it did not.
const FINISHED = ["stop", "tool_calls", "tool_use", "function_call", "eos", "eos_token", "end_turn", "stop_sequence", "completed", "normal"];

export function build(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

// `label(element, key, ...values)` writes a text of the page, which changes with its language.
export class Reply {
  // `record.parts` holds {kind: "thinking" | "answer" | "call" | "note" | "error", …}: what is kept over a reload.
  constructor(record, label) {
    this.record = record;
    this.label = label;
    this.element = build("article", "reply");
    this.current = null; // the part that grows, as {part, element, view}
    this.ended = false;
    for (const part of record.parts) this.show(part);
    this.finish();
  }

  get text() {
    return this.record.parts.filter((part) => part.kind === "answer").map((part) => part.text).join("\n\n");
  }

  start() {
    this.element.classList.add("working");
    this.clock = setInterval(() => this.tick(), 1000);
  }

  // -- events ------------------------------------------------------------------------------------------------------

  take(event, data) {
    this[event]?.(data);
    // Tokens may come faster than the screen can show them, and long texts take long: a fifth of the time goes there.
    if (this.timer || !this.current?.dirty) return;
    this.timer = setTimeout(() => this.draw(), Math.max(16, 4 * (this.drawing ?? 0)));
  }

  reasoning(text) {
    if (this.current?.part.kind !== "thinking") {
      this.finish();
      this.startedAt = performance.now();
      this.open({ kind: "thinking", text: "", seconds: null });
    }
    this.grow(text);
  }

  answer(text) {
    if (this.current?.part.kind !== "answer") {
      text = text.trimStart();
      if (!text) return;
      this.finish();
      this.open({ kind: "answer", text: "" });
    }
    this.grow(text);
  }

  call({ name, args }) {
    this.finish();
    this.open({ kind: "call", name, args });
  }

  result({ text, failed }) {
    Object.assign(this.current.part, { text, failed });
    this.showResult(this.current.element, this.current.part);
  }

  done({ finish_reason: reason, tokens, seconds, cut_calls: cutCalls }) {
    for (const name of cutCalls) this.note("warning", "cutCall", name);
    if (reason === "length") this.note("warning", "cut");
    else if (reason && !FINISHED.includes(reason)) this.note("warning", "brokenOff", reason);
    this.note("summary", "summary", tokens, seconds.toFixed(1));
    this.ended = true;
  }

  error(name) {
    this.finish();
    this.open({ kind: "error", name });
    this.ended = true;
  }

  note(look, key, ...values) {
    this.finish();
    this.open({ kind: "note", look, key, values });
  }

  end() {
    clearInterval(this.clock);
    clearTimeout(this.timer);
    this.finish();
    this.element.classList.remove("working");
  }

  // -- the part that grows -----------------------------------------------------------------------------------------

  open(part) {
    this.record.parts.push(part);
    this.current = this.show(part);
    this.tick();
  }

  grow(text) {
    this.current.part.text += text;
    this.current.dirty = true;
  }

  draw() {
    this.timer = null;
    const { current } = this;
    if (!current?.dirty) return;
    current.dirty = false;
    const startedAt = performance.now();
    if (current.view) current.view.draw(current.part.text);
    else current.text.textContent = current.part.text;
    this.drawing = performance.now() - startedAt;
    this.onGrow?.();
  }

  tick() {
    if (this.current?.part.kind !== "thinking") return;
    const seconds = Math.floor((performance.now() - this.startedAt) / 1000);
    this.label(this.current.summary, "thinkingFor", seconds);
  }

  // Ends the part that grows. Thinking folds, unless the reader has folded or unfolded it himself.
  finish() {
    this.draw();
    const { current } = this;
    this.current = null;
    if (current?.part.kind !== "thinking" || current.part.seconds !== null) return;
    current.part.seconds = ((performance.now() - this.startedAt) / 1000).toFixed(1);
    this.label(current.summary, "thoughtFor", current.part.seconds);
    if (!current.touched) current.element.open = false;
  }

  // -- parts as elements -------------------------------------------------------------------------------------------

  show(part) {
    const shown = this[`show_${part.kind}`](part);
    this.element.append(shown.element);
    return shown;
  }

  show_thinking(part) {
    const text = build("div", "prose", part.text);
    const summary = build("summary", "");
    if (part.seconds !== null) this.label(summary, "thoughtFor", part.seconds);
    const shown = { part, text, summary, element: build("details", "thinking", summary, text) };
    shown.element.open = part.seconds === null;
    summary.onclick = () => (shown.touched = true);
    return shown;
  }

  show_answer(part) {
    const element = build("div", "answer");
    const view = new MarkdownView(element);
    view.draw(part.text);
    return { part, element, view };
  }

  show_call(part) {
    const values = Object.entries(part.args).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    const call = build("code", "", `${part.name}(${values.join(", ")})`);
    const element = build("div", "tool", this.label(build("span", "badge"), "tool"), call);
    if (part.text !== undefined) this.showResult(element, part);
    return { part, element };
  }

  showResult(element, { text, failed }) {
    element.append(build("span", "arrow", "→"), build("code", failed ? "failed" : "value", text));
  }

  show_note(part) {
    return { part, element: this.label(build("div", `note ${part.look}`), part.key, ...part.values) };
  }

  show_error(part) {
    return { part, element: this.label(build("div", "error"), `errors.${part.name}`) };
  }
}
