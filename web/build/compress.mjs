// Writes .br and .gz beside every built text file, so that the server sends them without compressing anything itself.
// demo.html and error.html are templates that the server fills in; they are sent as they come out of it.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const DIST = join(import.meta.dirname, "..", "dist");
const TEXT = /\.(html|js|css|svg|json|txt)$/;
const TEMPLATES = new Set(["demo.html", "error.html"]);

for (const name of readdirSync(DIST, { recursive: true })) {
  if (!TEXT.test(name) || TEMPLATES.has(name)) continue;
  const path = join(DIST, name);
  const body = readFileSync(path);
  writeFileSync(`${path}.gz`, gzipSync(body, { level: 9 }));
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length } };
  writeFileSync(`${path}.br`, brotliCompressSync(body, options));
}
