// Runs before every script: the scripts are TypeScript that Node runs directly, which the `node` package's binary in
// node_modules/.bin (first on PATH inside `npm run`) does and an older one on the machine's PATH does not.
// Plain JavaScript, so that an old Node can say so rather than fail on a type annotation.

const majorMin = 24;

if (Number.parseInt(process.versions.node, 10) < majorMin) {
  console.error(
    `rookery: this is Node ${process.versions.node} (${process.execPath}), ${majorMin} or later is needed.\n` +
      'Run the script through npm ("npm test", "npm run check"): after "npm ci" it uses the Node that is a dependency.\n' +
      'If it still comes out here, the "node" package\'s install script did not run: "npm rebuild node" runs it.',
  );
  process.exit(1);
}
