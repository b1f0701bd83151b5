import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  // Only the entry pages and what they import are built; there is no folder that is copied as it is.
  publicDir: false,
  // Node 20 reads JSX options from here for the transform, tsconfig.json for the types.
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: ["es2020", "chrome90", "firefox90", "safari14"],
    outDir: "dist",
    emptyOutDir: true,
    sourcemap: false,
    // The pages' policy is default-src 'self': nothing may become a data: address or an inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      input: {
        patient: "patient.html",
        staff: "staff.html",
        demo: "demo.html",
        error: "error.html",
        linktest: "linktest.html",
      },
    },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
