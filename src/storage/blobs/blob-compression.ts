// A compressed blob's file: zstd frames of a fixed uncompressed size, so that a range costs only the frames it touches,
// then their compressed lengths, then a footer. Each frame carries zstd's own checksum, the index a CRC-32.

import { promisify } from 'node:util';
import { constants, crc32, zstdCompress, zstdDecompress } from 'node:zlib';
import { Fault } from '../../base/fault.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Larger compresses little better; smaller makes ranges cheaper. */
export const frameBytes = 256 * 1024;
export const footerBytes = 16;
const magic = 0x524b5a31; // "RKZ1"

export interface FrameIndex {
  /** Where each frame starts in the file; one more entry for the end of the last. */
  readonly offsets: readonly number[];
}

/** The pieces of the file. Works off the event loop's thread. */
export async function compressBlob(bytes: Uint8Array, level: number): Promise<Buffer[]> {
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  const frames: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += frameBytes) {
    frames.push(await compress(bytes.subarray(start, start + frameBytes), { params }));
  }
  const index = Buffer.alloc(frames.length * 4);
  for (const [number, frame] of frames.entries()) index.writeUInt32BE(frame.length, number * 4);
  const footer = Buffer.alloc(footerBytes);
  footer.writeUInt32BE(magic, 0);
  footer.writeUInt32BE(frameBytes, 4);
  footer.writeUInt32BE(frames.length, 8);
  footer.writeUInt32BE(crc32(index), 12);
  return [...frames, index, footer];
}

/** How many bytes of index stand before the footer. Throws Fault when it is none of ours. */
export function indexBytesOf(footer: Buffer): number {
  if (
    footer.length !== footerBytes ||
    footer.readUInt32BE(0) !== magic ||
    footer.readUInt32BE(4) !== frameBytes
  ) {
    throw new Fault('a compressed blob has a damaged footer', { temporary: false });
  }
  return footer.readUInt32BE(8) * 4;
}

export function parseIndex(index: Buffer, footer: Buffer): FrameIndex {
  if (crc32(index) !== footer.readUInt32BE(12)) {
    throw new Fault('a compressed blob has a damaged index', { temporary: false });
  }
  const offsets = [0];
  for (let at = 0; at < index.length; at += 4) offsets.push(offsets.at(-1)! + index.readUInt32BE(at));
  return { offsets };
}

/** The blob that a whole file holds. Rejects with Fault when it is damaged or none of ours. */
export async function decompressBlob(file: Buffer): Promise<Buffer> {
  const footer = file.subarray(Math.max(0, file.length - footerBytes));
  const indexEnd = file.length - footerBytes;
  const indexStart = Math.max(0, indexEnd - indexBytesOf(footer));
  const { offsets } = parseIndex(file.subarray(indexStart, indexEnd), footer);
  const frames: Buffer[] = [];
  for (let at = 0; at + 1 < offsets.length; at++) {
    frames.push(await decompressFrame(file.subarray(offsets[at], offsets[at + 1])));
  }
  return Buffer.concat(frames);
}

/** Rejects with Fault when the frame is damaged. */
export async function decompressFrame(frame: Uint8Array): Promise<Buffer> {
  try {
    return await decompress(frame, { maxOutputLength: frameBytes });
  } catch (cause) {
    throw new Fault('a compressed blob is damaged', { temporary: false, cause });
  }
}
