// The official TypeScript client, unmodified, against several replicas.
// typescript_test.go runs this file and sets the environment:
//   SDK          the folder whose node_modules has @modelcontextprotocol/sdk
//   MCP_URL      the server, behind a balancer that is not sticky
//   CONTROL_URL  under which /cut cuts all connections of the balancer, and
//                /kill/<text> kills the replica that runs the call with the text
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

const { SDK, MCP_URL, CONTROL_URL } = process.env;
const sdk = createRequire(join(SDK, 'package.json'));
const { Client } = sdk('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = sdk('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { CallToolResultSchema, CreateMessageRequestSchema, ResourceUpdatedNotificationSchema } =
  sdk('@modelcontextprotocol/sdk/types.js');

const limit = { timeout: 30_000 };
const counter = 'prynai://counter';
const text = (result) => result.content[0].text;
const call = (client, name, args, options) =>
  client.callTool({ name, arguments: args }, CallToolResultSchema, { ...limit, ...options });

// connect opens a session whose client offers a model.
async function connect(sessionId) {
  const client = new Client({ name: 'typescript', version: '1' }, { capabilities: { sampling: {} } });
  client.setRequestHandler(CreateMessageRequestSchema, (request) => ({
    model: 'test',
    role: 'assistant',
    content: { type: 'text', text: `summary of ${request.params.messages[0].content.text}` },
  }));
  client.updates = [];
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, (n) => client.updates.push(n.params.uri));
  client.errors = [];
  client.onerror = (error) => client.errors.push(error.message);
  client.statuses = []; // of answers to GET
  const counting = async (url, init) => {
    const response = await fetch(url, init);
    if (init.method === 'GET') client.statuses.push(response.status);
    return response;
  };
  await client.connect(new StreamableHTTPClientTransport(new URL(MCP_URL), { sessionId, fetch: counting }));
  return client;
}

async function until(what, condition) {
  for (const deadline = Date.now() + 20_000; !condition(); ) {
    assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function control(action) {
  assert.equal((await fetch(`${CONTROL_URL}/${action}`)).status, 200);
}

const disconnected = (client) => client.errors.some((message) => message.startsWith('SSE stream disconnected'));

// cut ends all connections, and returns when the client has noticed.
async function cut(client) {
  client.errors.length = 0;
  await control('cut');
  await until('the client to notice', () => disconnected(client));
}

let client;
before(async () => {
  client = await connect();
});
after(() => client.close());

test('lists', limit, async () => {
  for (let round = 0; round < 3; round++) { // once on each replica
    const { tools } = await client.listTools();
    assert.ok(tools.some((tool) => tool.name === 'long_task'));
    const { resources } = await client.listResources();
    assert.ok(resources.some((resource) => resource.uri === counter));
    const { prompts } = await client.listPrompts();
    assert.deepEqual(prompts.map((prompt) => prompt.name), ['quick_summary']);
  }
});

test('sampling', limit, async () => {
  for (let round = 0; round < 3; round++) {
    const result = await call(client, 'summarize_via_client_llm', { text: `text ${round}` });
    assert.equal(text(result), `summary of Summarize: text ${round}`);
  }
});

test('progress', limit, async () => {
  const seen = [];
  const result = await call(client, 'long_task', { steps: 5 }, { onprogress: (p) => seen.push(p.message) });
  assert.equal(text(result), 'done');
  assert.deepEqual(seen, steps(5));
});

test('subscription', limit, async () => {
  const other = await connect();
  await client.subscribeResource({ uri: counter });
  await call(other, 'bump_counter', {});
  await until('an update', () => client.updates.length > 0);

  await cut(client); // and again to a client that is away, or just back
  await call(other, 'bump_counter', {});
  await until('the second update', () => client.updates.length > 1);

  await client.unsubscribeResource({ uri: counter });
  const value = text(await call(other, 'bump_counter', {}));
  const { contents } = await client.readResource({ uri: counter });
  assert.equal(contents[0].text, value);
  assert.deepEqual(client.updates, [counter, counter]);
  assert.deepEqual(other.updates, []);
  await other.close();
});

// The call and the client's own stream are resumed, which are two requests: of
// three replicas that take turns, neither reaches the one that runs the call.
test('resumption after the connection broke', limit, async () => {
  const seen = [];
  let broken;
  const result = await call(client, 'long_task', { steps: 15 }, {
    onprogress: (p) => {
      seen.push(p.message);
      if (seen.length === 3) broken = cut(client);
    },
  });
  await broken;
  assert.equal(text(result), 'done');
  assert.deepEqual(seen, steps(15)); // none lost, none twice
});

test('resumption by a client that started again', limit, async () => {
  const first = await connect();
  const sessionId = first.transport.sessionId;
  let token;
  const lost = call(first, 'long_task', { steps: 10 }, { onprogress() {}, onresumptiontoken: (id) => { token = id; } });
  lost.catch(() => {}); // its client is gone
  await until('an event of the call', () => token !== undefined);
  await first.close();

  const second = await connect(sessionId);
  const result = await call(second, 'long_task', { steps: 10 }, { resumptionToken: token });
  assert.equal(text(result), 'done');
  await second.transport.terminateSession();
  await second.close();
});

test('DELETE ends the session everywhere, and no other', limit, async () => {
  const other = await connect();
  const ended = client.transport.sessionId;
  await client.transport.terminateSession();
  for (let round = 0; round < 3; round++) {
    const late = await connect(ended);
    await assert.rejects(late.ping(), (error) => error.code === 404);
    await late.close();
  }
  await other.ping();
  await other.close();
});

test('a replica that dies', limit, async () => {
  const orphan = await connect();
  let killed;
  const lost = call(orphan, 'long_task', { steps: 77 }, { onprogress: () => { killed ??= control('kill/"steps":77'); } });
  await assert.rejects(lost, (error) => error.code === -32000 && /lost/.test(error.message));
  await killed;
  // Without this answer it would ask for more of the finished stream for ever.
  await until('the client to be told that there is no more', () => orphan.statuses.includes(405));
  await orphan.ping(); // its session lives
  await orphan.close();
});

function steps(count) {
  return Array.from({ length: count }, (_, i) => `step ${i + 1}/${count}`);
}
