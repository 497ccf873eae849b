/**
 * The documentation as a site: the project's pages as they stand, and the reference that TypeDoc makes of the library's
 * comments. A dead link ends the build.
 */
import { defineConfig } from "vitepress";

const page = (text: string, name: string) => ({ text, link: `/docs/${name}` });

export default defineConfig({
  title: "medcoss",
  description: "Continual self-supervised pre-training over reports, X-ray, CT, MRI and pathology",
  srcDir: "pages",
  outDir: "site",
  cleanUrls: true,
  lastUpdated: false,
  // What pages point at in the repository and is no page: programs, scripts and folders.
  ignoreDeadLinks: [/\.\.\/(deploy|benchmarks\/reports$)/, /\/main$/, /LICENSE/],
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      { text: "Guide", link: "/docs/concepts" },
      { text: "Reference", link: "/docs/cli" },
      { text: "API", link: "/api/" },
    ],
    sidebar: [
      {
        text: "Start",
        items: [
          { text: "What it is", link: "/" },
          page("Concepts", "concepts"),
          { text: "Examples", link: "/examples/README" },
        ],
      },
      {
        text: "Work",
        items: [
          page("Your data", "your-data"),
          page("Pre-train", "pre-train"),
          page("Add a modality later", "continue"),
          page("Replay and features", "replay"),
          page("Checkpoints", "checkpoints"),
        ],
      },
      {
        text: "Run",
        items: [
          page("Performance", "performance"),
          page("Containers and clusters", "clusters"),
          page("Native build", "native-build"),
          page("Troubleshooting", "troubleshooting"),
          page("Security and privacy", "security"),
        ],
      },
      {
        text: "Reference",
        items: [
          page("Command line", "cli"),
          page("Configuration", "configuration"),
          page("Errors", "errors"),
          { text: "API", link: "/api/" },
          page("Decisions", "decisions"),
        ],
      },
    ],
  },
});
