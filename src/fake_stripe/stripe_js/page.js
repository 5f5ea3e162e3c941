// How things look and are made in a page: all looks come from constructed style sheets inside shadow roots, and no markup
// from strings.

const style = `
  :host { --ink: #1a1f36; --quiet: #4f566b; --faint: #697386; --line: #e0e4ea; --paper: #fff; --accent: #0570de; --bad: #df1b41; }
  :host([data-theme="night"]) { --ink: #fff; --quiet: #cfd7df; --faint: #a3acb9; --line: #424353; --paper: #30313d; --accent: #85d996;
    --bad: #fe87a1; color-scheme: dark; }
  :host { all: initial; display: block; font: 15px/1.4 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); }
  * { box-sizing: border-box; }
  .methods { display: flex; gap: 8px; margin-bottom: 12px; }
  .methods button { flex: 1; padding: 10px; border: 1px solid var(--line); border-radius: 8px; background: var(--paper); font: inherit;
    color: var(--quiet); cursor: pointer; text-align: left; }
  .methods button[aria-pressed="true"] { border-color: var(--accent); color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
  label { display: block; font-size: 13px; color: var(--quiet); }
  .row { display: flex; gap: 12px; margin-top: 12px; }
  .row > label { flex: 1; min-width: 0; }
  input, select { display: block; width: 100%; margin-top: 4px; padding: 11px 12px; border: 1px solid var(--line); border-radius: 8px;
    background: var(--paper); font: inherit; font-size: 16px; color: var(--ink); outline: none; box-shadow: 0 1px 2px rgba(26, 31, 54, 0.06); }
  input::placeholder { color: var(--faint); }
  input:focus, select:focus, button:focus-visible { border-color: var(--accent); box-shadow: 0 0 0 3px rgba(5, 112, 222, 0.2); }
  input[aria-invalid="true"] { border-color: var(--bad); color: var(--bad); }
  .line { display: flex; gap: 4px; align-items: center; }
  .line input { margin: 0; border: 0; padding: 4px; box-shadow: none; min-width: 0; flex: 1; }
  .line input:first-child { flex: 3; }
  .line input:focus { box-shadow: none; }
  .fault { margin: 6px 0 0; font-size: 13px; color: var(--bad); }
  .fault:empty, .methods:empty { display: none; }
  .hint { display: flex; align-items: center; gap: 6px; margin: 10px 0 0; font-size: 12px; color: var(--faint); }
  .hint select { flex: 1; width: auto; min-width: 0; margin: 0; padding: 3px 6px; font-size: 12px; }
  dialog { width: min(420px, calc(100vw - 32px)); padding: 0; border: 0; border-radius: 14px; background: #fff; color: #1a1f36; color-scheme: light;
    box-shadow: 0 24px 60px rgba(26, 31, 54, 0.35); font: inherit; }
  dialog::backdrop { background: rgba(26, 31, 54, 0.55); }
  .bank { padding: 18px 22px; background: #1a1f36; color: #fff; font-weight: 600; display: flex; justify-content: space-between; }
  .bank small { font-weight: 400; opacity: 0.7; }
  .ask { padding: 22px; }
  .ask h2 { margin: 0 0 8px; font-size: 18px; }
  .ask p { margin: 0 0 18px; color: #4f566b; }
  .answers { display: flex; gap: 10px; }
  .answers button { flex: 1; padding: 12px; border: 1px solid #e0e4ea; border-radius: 8px; background: #fff; font: inherit;
    font-weight: 600; color: #df1b41; cursor: pointer; }
  .answers button.yes { background: #0570de; border-color: #0570de; color: #fff; }
  .answers button:disabled { opacity: 0.5; cursor: default; }
`;

// The DOM, without markup in strings.
const make = (tag, props = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};
const shadow = (host) => {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  root.adoptedStyleSheets = [sheet];
  root.replaceChildren();
  return root;
};
