import assert from 'node:assert/strict';
import { test } from 'node:test';
import { siblingModule } from './module-url.ts';

test('a sibling of a source is a source, of a compiled module a compiled module', () => {
  assert.equal(siblingModule('file:///p/src/a/b.ts', './writer').href, 'file:///p/src/a/writer.ts');
  assert.equal(siblingModule('file:///p/dist/a/b.js', './writer').href, 'file:///p/dist/a/writer.js');
  assert.equal(siblingModule('file:///p/dist/a/b.js?x=1', '../writer').href, 'file:///p/dist/writer.js');
});
