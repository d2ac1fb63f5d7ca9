// The main path with the official TypeScript client: from a paper to a recording, and what clients do on the way.
//
// node main_path.mjs '{"era": "legacy" | "modern", "paper": {...}, "url": "http://…" or "command": […] and "env": {…}}'

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const { era, paper, url, command, env } = JSON.parse(process.argv[2]);
const modern = era === "modern";
const version = modern ? "2026-07-28" : "2025-11-25";
const PATIENCE = { timeout: 80_000 };

const client = new Client(
  { name: "main-path", version: "1" },
  { versionNegotiation: { mode: modern ? { pin: version } : "legacy" } },
);
let heardOfNew;
const somethingNew = new Promise((resolve) => (heardOfNew = resolve));
client.setNotificationHandler("notifications/resources/list_changed", heardOfNew);

await client.connect(
  url
    ? new StreamableHTTPClientTransport(new URL(url))
    : new StdioClientTransport({ command: command[0], args: command.slice(1), env, stderr: "ignore" }),
);
assert.equal(client.getNegotiatedProtocolVersion(), version);

const call = async (name, args, options) => {
  const result = await client.callTool({ name, arguments: args }, { ...PATIENCE, ...options });
  assert.ok(!result.isError, `${name}: ${JSON.stringify(result.content)}`);
  return result.structuredContent;
};

const { tools } = await client.listTools();
const { prompts } = await client.listPrompts();
const { resourceTemplates } = await client.listResourceTemplates();
for (const name of ["generate_script", "synthesize_voice"]) assert.ok(tools.some((tool) => tool.name === name), name);
const listening = modern ? await client.listen({ resourcesListChanged: true }) : undefined;
if (listening) assert.equal(listening.honoredFilter.resourcesListChanged, true);

const script = await call("generate_script", { paper, engine: "extractive", target_minutes: 1 });

const steps = [];
const spoken = await call(
  "synthesize_voice",
  { text: "海馬は昼間に学んだことを再生します。夜のあいだに、短い波が記憶を運びます。", language: "ja" },
  { onprogress: ({ progress }) => steps.push(progress) },
);
assert.ok(steps.length > 0, "no progress was reported");
assert.deepEqual(steps, [...steps].sort((a, b) => a - b), "progress went backwards");
// Not after the script already: an older client's stream of notices may open later than that.
await somethingNew;
await listening?.close();

const { resources } = await client.listResources();
for (const uri of [`script://${script.script_id}`, `audio://${spoken.audio_id}`])
  assert.ok(resources.some((resource) => resource.uri === uri), `${uri} is not listed`);
const { contents } = await client.readResource({ uri: `audio://${spoken.audio_id}` });
assert.deepEqual(Buffer.from(contents[0].blob, "base64"), await readFile(spoken.wav_path));
await assert.rejects(client.readResource({ uri: "script://script-unknown" }), { code: -32602 });

const prompt = await client.getPrompt({
  name: "write_script",
  arguments: { title: paper.title, abstract: paper.abstract, target_minutes: "1" },
});
assert.match(prompt.messages[0].content.text, /save_script/);
const { completion } = await client.complete({
  ref: { type: "ref/prompt", name: "write_script" },
  argument: { name: "style", value: "pop" },
});
assert.deepEqual(completion.values, ["popular"]);

if (modern) {
  const watching = await client.listen({ resourceSubscriptions: ["voices://"] });
  assert.deepEqual(watching.honoredFilter.resourceSubscriptions, ["voices://"]);
  await watching.close();
} else {
  await client.subscribeResource({ uri: "voices://" });
  await client.unsubscribeResource({ uri: "voices://" });
}

const enough = new AbortController();
await assert.rejects(
  call(
    "synthesize_voice",
    { text: "夜のあいだに、短い波が記憶を運びます。".repeat(400), language: "ja" },
    { signal: enough.signal, onprogress: () => enough.abort(new Error("enough")) },
  ),
  /enough/,
);
await call("list_voices", {}); // it goes on answering

await client.close();
console.log(`${version}: ${tools.length} tools, ${resourceTemplates.length} templates, ${prompts.length} prompts`);
