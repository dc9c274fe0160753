// SPDX-License-Identifier: Apache-2.0
//
// The page /docs: /v1/openapi.json as something to read. Everything is put in as text.
"use strict";

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const search = document.getElementById("search");

function make(tag, options, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(options || {})) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function resolve(doc, schema) {
  while (schema && schema.$ref) {
    schema = schema.$ref.slice(2).split("/").reduce((at, key) => at[key], doc);
  }
  return schema || {};
}

// What a schema is, in a few words.
function typeOf(schema) {
  if (schema.enum) return "name";
  if (schema.anyOf) return "name or number";
  const types = [].concat(schema.type || "any");
  if (types.includes("array")) {
    return schema.items && schema.items.enum ? "names" : "array";
  }
  if (schema.format) return schema.format === "date" ? "date" : "moment";
  if (types[0] === "string" && /\[0-9\]\{1,39\}/.test(schema.pattern || "")) return "decimal string";
  if (types[0] === "string" && /9\]\{4\}-/.test(schema.pattern || "")) return "ISO 8601";
  if (/a-fA-F/.test(schema.pattern || "")) return "hexadecimal digits";
  return types.filter((type) => type !== "null").join(" or ") + (types.includes("null") ? ", or null" : "");
}

function names(schema) {
  const list = schema.enum || (schema.anyOf && schema.anyOf[0].enum) || (schema.items && schema.items.enum);
  return list && list.length > 0 ? make("span", { class: "names" }, make("code", {}, list.join("  "))) : null;
}

function bounds(schema) {
  if (schema.maximum !== undefined) return ` ${schema.minimum} to ${schema.maximum}`;
  if (schema.maxLength !== undefined) return ` up to ${schema.maxLength}`;
  if (schema.maxItems !== undefined) return ` up to ${schema.maxItems}`;
  return "";
}

function entry(doc, name, schema, must, description, isSent) {
  schema = resolve(doc, schema);
  const inner = schema.properties ? schema : resolve(doc, schema.items || {});
  return make("div", {},
    make("dt", {}, make("code", {}, name), make("span", { class: "type" }, typeOf(schema) + bounds(schema)),
      must ? make("span", { class: "must" }, "required") : null),
    make("dd", {}, description || schema.description || "", names(schema),
      inner.properties ? fields(doc, inner, isSent) : null));
}

// Of what is sent, which members have to be given.
function fields(doc, schema, isSent) {
  const required = schema.required || [];
  const list = make("dl", {});
  for (const [name, member] of Object.entries(schema.properties || {})) {
    list.append(entry(doc, name, member, isSent && required.includes(name), "", isSent));
  }
  return list;
}

function pre(text) {
  const box = make("pre", {}, make("code", {}, text));
  box.append(make("button", {
    type: "button",
    onclick: (event) => {
      navigator.clipboard.writeText(text);
      event.target.textContent = "copied";
    },
  }, "copy"));
  return box;
}

function parametersOf(doc, operation) {
  return (operation.parameters || []).map((parameter) => resolve(doc, parameter));
}

function exampleOf(path, method, doc, operation) {
  const origin = location.origin;
  if (method === "post") {
    const content = operation.requestBody.content["application/json"];
    return `curl ${origin}${path} \\\n  -H "Authorization: Bearer $TOKEN" \\\n  -H "Content-Type: application/json" \\\n  -H "Idempotency-Key: $(uuidgen)" \\\n  -d '${JSON.stringify(content.example, null, 2)}'`;
  }
  const query = parametersOf(doc, operation).filter((parameter) => parameter.required)
    .map((parameter) => `${parameter.name}=${encodeURIComponent(parameter.example ?? "")}`).join("&");
  const security = operation.security && operation.security.length === 0 ? "" : ` \\\n  -H "Authorization: Bearer $TOKEN"`;
  return `curl "${origin}${path}${query ? "?" + query : ""}"${security}`;
}

function inside(doc, path, method, operation) {
  const left = make("div", {}), right = make("div", {});
  const parameters = parametersOf(doc, operation);
  const body = operation.requestBody && operation.requestBody.content["application/json"].schema.oneOf[0];
  if (body) left.append(make("h4", {}, "Body: a record, or an array of them"), fields(doc, resolve(doc, body), true));
  if (parameters.length > 0) {
    const list = make("dl", {});
    for (const parameter of parameters) {
      list.append(entry(doc, parameter.name, parameter.schema, parameter.required, parameter.description, true));
    }
    left.append(make("h4", {}, "Parameters and headers"), list);
  }
  right.append(make("h4", {}, "Example"), pre(exampleOf(path, method, doc, operation)));
  const answer = operation.responses["200"].content || {};
  let schema = resolve(doc, (answer["application/json"] || {}).schema);
  if (schema.oneOf) schema = resolve(doc, schema.oneOf[0]);
  if (schema.properties) right.append(make("h4", {}, "Answer"), fields(doc, schema));
  return make("div", { class: "inside" }, left, right);
}

function endpoint(doc, path, method, operation) {
  const id = operation.operationId;
  const section = make("section", { class: "endpoint", id });
  const button = make("button", { type: "button", "aria-expanded": "false" },
    make("span", { class: "method " + method }, method.toUpperCase()), make("span", { class: "path" }, path),
    make("span", { class: "summary" }, operation.summary || ""));
  const toggle = (wanted) => {
    const isOpen = wanted === undefined ? !section.classList.contains("open") : wanted;
    if (isOpen && section.children.length === 1) section.append(inside(doc, path, method, operation));
    if (section.children.length > 1) section.lastChild.classList.toggle("none", !isOpen);
    section.classList.toggle("open", isOpen);
    button.setAttribute("aria-expanded", String(isOpen));
  };
  button.addEventListener("click", () => {
    toggle();
    history.replaceState(null, "", "#" + id);
  });
  section.append(make("h3", {}, button));
  section.show = () => toggle(true);
  const words = [path, operation.summary, ...parametersOf(doc, operation).map((parameter) => parameter.name)];
  const body = operation.requestBody && operation.requestBody.content["application/json"].schema.oneOf[0];
  if (body) words.push(...Object.keys(resolve(doc, body).properties || {}));
  section.dataset.words = words.join(" ").toLowerCase();
  return section;
}

function table(title, heads, rows) {
  const body = make("tbody", {});
  for (const row of rows) {
    const line = make("tr", { id: row.id }, ...row.cells.map((cell) => make("td", {}, cell)));
    line.dataset.words = (row.id + " " + row.words).toLowerCase();
    body.append(line);
  }
  main.append(make("h2", { id: title.toLowerCase() }, title),
    make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", {}, head)))), body));
}

function dashes(name) {
  return name.replace(/_/g, "-");
}

function problems(doc) {
  table("Problems", ["type", "status", "what it means"], doc["x-problems"].map((row) => ({
    id: "problem-" + dashes(row.name), words: row.title,
    cells: [make("code", {}, dashes(row.name)), String(row.status), row.title],
  })));
  table("Results", ["result", "number", "status", "what it means"], doc["x-results"].map((row) => ({
    id: `result-${dashes(row.group)}-${dashes(row.name)}`, words: row.sentence,
    cells: [make("code", {}, `${row.group}: ${row.name}`), String(row.number), String(row.status), row.sentence],
  })));
}

function filter() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const node of document.querySelectorAll("[data-words]")) {
    node.classList.toggle("none", !wanted.every((word) => node.dataset.words.includes(word)));
  }
  for (const link of nav.querySelectorAll("a")) {
    const target = document.getElementById(link.hash.slice(1));
    link.classList.toggle("none", target !== null && target.classList.contains("none"));
  }
}

function goTo() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.show) target.show();
  target.scrollIntoView();
  for (const link of nav.querySelectorAll("a")) link.classList.toggle("here", link.hash === location.hash);
}

function show(doc) {
  main.replaceChildren(make("h1", {}, "HTTP"), make("p", { class: "lead" }, doc.info.description),
    make("p", { class: "quiet" }, `Version ${doc.info.version}. A refusal is a problem document (RFC 9457), whose type is a place in `,
      make("a", { href: "#problems" }, "problems"), " or ", make("a", { href: "#results" }, "results"), "."));
  const groups = new Map();
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const tag = operation.tags[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push([path, method, operation]);
    }
  }
  const order = [...groups.keys()].sort((a, b) => (a === "edge") - (b === "edge"));
  for (const tag of order) {
    nav.append(make("h2", {}, tag));
    main.append(make("h2", {}, tag));
    for (const [path, method, operation] of groups.get(tag)) {
      main.append(endpoint(doc, path, method, operation));
      nav.append(make("a", { href: "#" + operation.operationId },
        make("span", { class: "method " + method }, method.toUpperCase()),
        make("span", {}, path.replace(`/v1/${tag}/`, ""))));
    }
  }
  nav.append(make("h2", {}, "refusals"), make("a", { href: "#problems" }, make("span", {}, "Problems")),
    make("a", { href: "#results" }, make("span", {}, "Results")));
  problems(doc);
  search.addEventListener("input", filter);
  addEventListener("hashchange", goTo);
  goTo();
}

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});
if (localStorage.getItem("theme")) document.documentElement.dataset.theme = localStorage.getItem("theme");
addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== search) {
    event.preventDefault();
    search.focus();
  }
});

fetch("/v1/openapi.json").then((answer) => answer.json()).then(show).catch((error) => {
  main.replaceChildren(make("p", {}, "The document cannot be read: " + error));
});
