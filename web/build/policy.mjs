// Fails the build when a built page would break the policy it is served with (default-src 'self', nothing inline), or when
// the minifier dropped the one blank on which light and dark hang.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const DIST = join(import.meta.dirname, "..", "dist");
const FORBIDDEN = [
  [/\.html$/, /<style|\sstyle="|<script(?![^>]*\ssrc=)|\son[a-z]+="|javascript:/i, "inline script or style"],
  [/\.(html|css)$/, /(?:src|href)="data:|url\(["']?data:/i, "a data: address"],
  [/\.(html|css)$/, /(?:src|href)="(?:https?:)?\/\/|url\(["']?(?:https?:)?\/\/|@import/i, "a request to somebody else"],
  [/\.(js|css)$/, /sourceMappingURL/, "a source map"],
];

const faults = [];
let toggle = false;
for (const name of readdirSync(DIST, { recursive: true })) {
  if (!/\.(html|css|js)$/.test(name)) continue;
  const text = readFileSync(join(DIST, name), "utf8");
  for (const [files, pattern, what] of FORBIDDEN)
    if (files.test(name) && pattern.test(text)) faults.push(`${name}: ${what}`);
  if (/--D:\s+;/.test(text) && /--L:\s+;/.test(text)) toggle = true;
}
if (!toggle) faults.push("the stylesheet lost `--L: ;` or `--D: ;`: light and dark would be the same");
if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exit(1);
}
