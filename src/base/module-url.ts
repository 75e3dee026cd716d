// Where a module's neighbours are. The sources run as they are (.ts); the published package holds them compiled
// (.js), because Node strips no types under node_modules. A worker thread's file is named by URL, which no
// compiler rewrites: it has to follow the extension of the module that asks.

/** The URL of `./name` (no extension) beside the module whose `import.meta.url` is given. */
export function siblingModule(importMetaUrl: string, name: `./${string}` | `../${string}`): URL {
  const extension = new URL(importMetaUrl).pathname.endsWith('.ts') ? '.ts' : '.js';
  return new URL(name + extension, importMetaUrl);
}
