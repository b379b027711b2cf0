// The official TypeScript SDK's server with the tool add: no authentication, no
// Redis. SDK is the folder that has its node_modules.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const require = createRequire(join(process.env.SDK, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { McpServer } = await load("@modelcontextprotocol/sdk/server/mcp.js");
const { StreamableHTTPServerTransport } = await load("@modelcontextprotocol/sdk/server/streamableHttp.js");
const { z } = await load("zod");

const transports = new Map();

async function open() {
  const server = new McpServer({ name: "bench", version: "1" });
  server.registerTool(
    "add",
    {
      description: "Returns the sum of the integers a and b.",
      inputSchema: { a: z.number().int(), b: z.number().int() },
      outputSchema: { result: z.number().int() },
    },
    async ({ a, b }) => ({ content: [{ type: "text", text: String(a + b) }], structuredContent: { result: a + b } }),
  );
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    enableJsonResponse: true,
    onsessioninitialized: (id) => transports.set(id, transport),
  });
  transport.onclose = () => transports.delete(transport.sessionId);
  await server.connect(transport);
  return transport;
}

const [host, port] = process.env.LISTEN_ADDR.split(":");
createServer(async (request, response) => {
  const known = transports.get(request.headers["mcp-session-id"]);
  await (known ?? (await open())).handleRequest(request, response);
}).listen(Number(port), host);
