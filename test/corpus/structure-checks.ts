// What holds for the structure of any bytes whatever: used by the corpus tests and the fuzz target.

import assert from 'node:assert/strict';
import { sectionRange } from '../../src/mail/mime/section.ts';
import { type MessagePart, type MessageStructure, rawParameter } from '../../src/mail/mime/structure.ts';
import { decodeStructure, encodeStructure } from '../../src/mail/mime/structure-codec.ts';

/** Throws unless offsets, paths, sections and the codec fit together. */
export function checkStructure(structure: MessageStructure): void {
  assert.equal(structure.root.headerStart, 0);
  assert.equal(structure.root.bodyEnd, structure.size);
  checkPart(structure, structure.root);
  const { size, root } = structure;
  assert.deepEqual(decodeStructure(encodeStructure(structure)), { size, root });
  assert.deepEqual(sectionRange(structure, ''), { start: 0, end: size });
  assert.deepEqual(sectionRange(structure, 'HEADER'), { start: 0, end: root.headerEnd });
  assert.deepEqual(sectionRange(structure, 'TEXT'), { start: root.headerEnd, end: size });
}

function checkPart(structure: MessageStructure, part: MessagePart): void {
  assert.ok(part.headerStart <= part.headerEnd, `${part.path}: header ends before it starts`);
  assert.equal(part.headerEnd, part.bodyStart);
  assert.ok(
    part.bodyStart <= part.bodyEnd && part.bodyEnd <= structure.size,
    `${part.path}: body out of range`,
  );
  assert.ok(part.lines >= 0 && part.lines <= part.bodyEnd - part.bodyStart, `${part.path}: lines`);
  assert.notEqual(part.type, '');
  assert.notEqual(part.subtype, '');
  assert.equal(part.type === 'multipart', part.children.length > 0, `${part.path}: multipart without parts`);
  if (part.type === 'text') assert.notEqual(rawParameter(part.parameters, 'charset'), undefined);
  let position = part.bodyStart;
  part.children.forEach((child, index) => {
    assert.ok(
      child.headerStart >= position && child.bodyEnd <= part.bodyEnd,
      `${child.path}: not within its parent`,
    );
    assert.equal(child.path, part.path === '' ? String(index + 1) : `${part.path}.${index + 1}`);
    position = child.bodyEnd;
    checkSections(structure, child);
    checkPart(structure, child);
  });
  if (part.message === undefined) return;
  const root = part.message.root;
  assert.equal(root.headerStart, part.bodyStart);
  assert.equal(root.bodyEnd, part.bodyEnd);
  assert.equal(root.path, root.type === 'multipart' ? part.path : `${part.path}.1`);
  assert.deepEqual(sectionRange(structure, `${part.path}.HEADER`), {
    start: root.headerStart,
    end: root.headerEnd,
  });
  assert.deepEqual(sectionRange(structure, `${part.path}.TEXT`), {
    start: root.bodyStart,
    end: root.bodyEnd,
  });
  checkPart(structure, root);
}

function checkSections(structure: MessageStructure, part: MessagePart): void {
  assert.deepEqual(sectionRange(structure, part.path), { start: part.bodyStart, end: part.bodyEnd });
  assert.deepEqual(sectionRange(structure, `${part.path}.MIME`), {
    start: part.headerStart,
    end: part.headerEnd,
  });
}

/** The tree as lines of text, offsets left out: what stays the same when line ends are changed. */
export function structureShape(part: MessagePart, indent = ''): string[] {
  const own = `${indent}${part.path === '' ? '-' : part.path} ${part.type}/${part.subtype} ${part.encoding} ${part.lines}`;
  const message = part.message === undefined ? [] : structureShape(part.message.root, `${indent}> `);
  return [own, ...part.children.flatMap((child) => structureShape(child, `${indent}  `)), ...message];
}
