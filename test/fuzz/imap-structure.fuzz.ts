// ENVELOPE, BODY and BODYSTRUCTURE of any message are in the grammar of RFC 9051, so that every client can
// read them.

import { parseMessage } from '../../src/mail/mime/parse-message.ts';
import { formatBody, formatBodyStructure } from '../../src/wire/imap/format-body-structure.ts';
import { formatEnvelope } from '../../src/wire/imap/format-envelope.ts';
import { checkBody, checkEnvelope, readValue } from '../imap-response.ts';
import type { FuzzTarget } from './fuzz-target.ts';

export const target: FuzzTarget = {
  name: 'imap-structure',
  seeds: () => structureSeeds.map((text) => Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')),
  run(input) {
    checkStructure(input);
  },
};

/** Throws unless all three answers of the message are well-formed. */
export function checkStructure(message: Uint8Array): void {
  const { envelope, root } = parseMessage(message);
  checkEnvelope(readValue(formatEnvelope(envelope)));
  checkBody(readValue(formatBody(root)), false);
  checkBody(readValue(formatBodyStructure(root)), true);
}

/** With LF for CRLF. */
export const structureSeeds: readonly string[] = [
  'Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\nFrom: Terry Gray <gray@cac.washington.edu>\nSubject: minutes\nTo: imap@cac.washington.edu\nMessage-ID: <B27397-0100000@cac.washington.edu>\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\nhello\n',
  'From: "J\xc3\xb6rg \\"x\\"" <a@b>\nTo: Group: a@b, "q"@[1.2.3.4];, undisclosed:;, <@r1,@r2:c@d>, only-name\nSubject: =?utf-8?Q?a,b?= \xff\nCc:\nSender: @\n\n',
  'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b1"; x*=utf-8\'\'%41\nContent-Language: en, de\nContent-Location: http://a/\n\n--b1\nContent-Type: text/html; charset=x\nContent-MD5: abc==\nContent-Disposition: attachment; filename="\xe4.txt"\n\n<p>\n--b1\nContent-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/alternative; boundary=b2\n\n--b2\n\nx\n--b2--\n\n--b1\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA0KDQo=\n--b1\nContent-Type: image/gif; name="a\\\\b"\nContent-ID: <1@x>\nContent-Description: d"e\n\n--b1--\n',
  'Content-Type: multipart/mixed\n\nno boundary\n',
  'Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: 1\n\n--d\n\nSubject: 2\n\nx\n--d--\n',
  'Content-Type: ;;;=\nContent-Transfer-Encoding: "\nContent-Disposition: ;\nContent-Language: ,\nDate:\nFrom: \0,\n\n\0',
];
