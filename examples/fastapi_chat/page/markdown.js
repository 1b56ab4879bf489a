// Markdown to nodes of the page. What a model writes is untrusted: tags are shown as text, pictures are links (the
// address of a picture can carry the conversation away), and what marked makes of the rest goes through DOMPurify.
/* global DOMPurify, hljs, katex, marked */

const escape = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

// A formula stays what it is in Markdown, and KaTeX draws it when everything is sanitised.
const MATH = [/^\$\$([^]{1,2000}?)\$\$/, /^\\\[([^]{1,2000}?)\\\]/, /^\\\(([^]{1,2000}?)\\\)/, /^\$(?!\s)([^$`\n]{1,2000}?)(?<!\s)\$(?!\d)/];

function readMath(source) {
  for (const [at, pattern] of MATH.entries()) {
    const found = pattern.exec(source);
    if (found) return { type: "math", raw: found[0], text: found[1], block: at < 2 };
  }
}

// CommonMark reads the stars of **注意：**请看 as text (https://github.com/commonmark/commonmark-spec/issues/650).
const BOLD = /^\*\*(?![\s*])((?:`[^`]{0,2000}`|[^*`]){1,2000}?)(?<!\s)\*\*(?!\*)/;
const WIDE = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\u3000-\u303f\uff00-\uffef]/u;

function readBoldBesideWide(source, _masked, before = "") {
  const found = BOLD.exec(source);
  if (!found || !WIDE.test(before + found[1][0] + found[1].at(-1) + source.charAt(found[0].length))) return false;
  return { type: "strong", raw: found[0], text: found[1], tokens: this.lexer.inlineTokens(found[1]) };
}

const parser = new marked.Marked({
  gfm: true,
  breaks: true,
  tokenizer: { emStrong: readBoldBesideWide },
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || href)}</a>`,
  },
  extensions: [
    {
      name: "math",
      level: "inline",
      start: (source) => source.search(/\$|\\[([]/),
      tokenizer: readMath,
      renderer: ({ text, block }) => `<code class="${block ? "math block" : "math"}">${escape(text)}</code>`,
    },
  ],
});

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.target = "_blank";
    node.rel = "noopener noreferrer";
  }
});

function build(tokens) {
  const fragment = DOMPurify.sanitize(parser.parser(tokens), {
    RETURN_DOM_FRAGMENT: true,
    ADD_ATTR: ["target"],
    FORBID_TAGS: ["img", "style", "form", "input", "button", "textarea", "select"],
    FORBID_ATTR: ["style", "id", "name"],
  });
  for (const code of fragment.querySelectorAll("code.math")) {
    katex.render(code.textContent, code, {
      output: "mathml", // needs no style sheet and no fonts
      displayMode: code.classList.contains("block"),
      throwOnError: false,
      trust: false,
      maxExpand: 100,
      maxSize: 10,
    });
  }
  for (const code of fragment.querySelectorAll("pre > code")) hljs.highlightElement(code);
  for (const table of fragment.querySelectorAll("table")) {
    const frame = document.createElement("div");
    frame.className = "table";
    table.replaceWith(frame);
    frame.append(table);
  }
  return fragment;
}

// Draws a text that grows: blocks that are as they were stay, and with them what the reader has selected.
export class MarkdownView {
  constructor(element) {
    this.element = element;
    this.blocks = []; // {raw, element}
  }

  draw(text) {
    const tokens = parser.lexer(text);
    tokens.forEach((token, at) => {
      if (this.blocks[at]?.raw === token.raw) return;
      const element = document.createElement("div");
      const block = [token];
      block.links = tokens.links;
      element.append(build(block));
      if (this.blocks[at]) this.blocks[at].element.replaceWith(element);
      else this.element.append(element);
      this.blocks[at] = { raw: token.raw, element };
    });
    for (const { element } of this.blocks.splice(tokens.length)) element.remove();
  }
}
