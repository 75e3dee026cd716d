// Python's imaplib, smtplib and poplib: the clients that most scripts are written with, and strict about syntax.

import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { makeTemporaryFolder, missingPrograms, runWell, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';

const imapScript = `
import email.header, imaplib
for login in ('LOGIN', 'PLAIN'):
    m = imaplib.IMAP4('localhost', ports['imap'])
    m.starttls(tls)
    if login == 'LOGIN':
        m.login(user, password)
    else:
        m.authenticate('PLAIN', lambda _: b'\\0' + user.encode() + b'\\0' + password.encode())
    m.logout()
m = imaplib.IMAP4_SSL('localhost', ports['imaps'], ssl_context=tls)
try:
    m.login(user, 'wrong')
    raise SystemExit('logged in with a wrong password')
except imaplib.IMAP4.error as error:
    assert 'AUTHENTICATIONFAILED' in str(error), error
ok = lambda answer: answer[1] if answer[0] == 'OK' else (_ for _ in ()).throw(SystemExit(str(answer)))
ok(m.login(user, password))
ok(m.create('"With space"'))
ok(m.subscribe('"With space"'))
assert any(b'"With space"' in line for line in ok(m.lsub())), 'subscribed'
text = b'From: a@b.test\\r\\nSubject: one\\r\\n\\r\\nbody\\r\\n'
when = imaplib.Time2Internaldate(1700000000)
ok(m.append('"With space"', r'(\\Seen $Label)', when, text))
assert ok(m.select('"With space"')) == [b'1']
uids = ok(m.uid('SEARCH', None, 'SUBJECT', 'one'))[0]
data = ok(m.uid('FETCH', uids, '(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])'))
assert data[0][1] == text, data
assert imaplib.ParseFlags(data[0][0]) == (b'\\\\Seen', b'$Label') or b'$Label' in data[0][0], data
import time
assert time.mktime(imaplib.Internaldate2tuple(data[0][0])) == 1700000000, data
ok(m.store('1', '+FLAGS', r'(\\Deleted)'))
assert ok(m.expunge()) == [b'1']
assert ok(m.noop()) is not None
ok(m.close())
ok(m.delete('"With space"'))
# The rest of what it knows, in the order of its commands.
ok(m.create('R&AOQ-ume'))
for number in (1, 2, 3):
    subject = email.header.Header(f'Re: größe {number}', 'utf-8').encode()
    text = f'From: b{4 - number}@x.test\\r\\nSubject: {subject}\\r\\n\\r\\nbody {number}\\r\\n'
    ok(m.append('R&AOQ-ume', None, None, text.encode()))
# With it on, this imaplib writes the word UTF8 into the messages that it appends.
ok(m.enable('UTF8=ACCEPT'))
ok(m.rename('"Räume"', '"Räume 2"'))
assert any('Räume 2' in line.decode() for line in ok(m.list('""', '*'))), 'listed'
status = ok(m.status('"Räume 2"', '(MESSAGES UNSEEN UIDNEXT)'))
assert b'MESSAGES 3 UNSEEN 3 UIDNEXT 4' in status[0], status
assert ok(m.select('"Räume 2"', readonly=True)) == [b'3']
assert m.store('1', '+FLAGS', r'(\\Seen)')[0] == 'NO', 'stored in what is read only'
assert ok(m.select('"Räume 2"')) == [b'3']
assert m.response('UIDNEXT')[1] == [b'4'] and m.response('UIDVALIDITY')[1] != [None]
assert ok(m.sort('(FROM)', 'UTF-8', 'ALL')) == [b'3 2 1']
assert ok(m.uid('SORT', '(REVERSE SUBJECT)', 'UTF-8', 'ALL')) == [b'3 2 1']
assert ok(m.thread('ORDEREDSUBJECT', 'UTF-8', 'ALL')) == [b'(1)(2)(3)']
m.literal = 'GRÖSSE 2'.encode()
assert ok(m.search(None, 'SUBJECT')) == [b'2']
flags = ok(m.fetch('1:2', '(FLAGS BODY.PEEK[TEXT]<0.4>)'))
assert [part[1] for part in flags if isinstance(part, tuple)] == [b'body', b'body'], flags
ok(m.copy('1', 'Archive'))
ok(m.uid('MOVE', '2', 'Trash'))
assert ok(m.search(None, 'ALL')) == [b'1 2']
assert m.recent()[0] == 'OK'
ok(m.check())
assert b'(("" "/"))' in ok(m.namespace())[0]
ok(m.setacl('Archive', 'bob@example.test', 'lr'))
assert b'"bob@example.test" lr' in ok(m.getacl('Archive'))[0]
assert b'lrswipkxtea' in ok(m.myrights('Archive'))[0]
ok(m.deleteacl('Archive', 'bob@example.test'))
assert m.getquotaroot('INBOX')[0] == 'OK'
assert m.getquota('#user')[0] == 'NO' and m.setquota('#user', '(STORAGE 5)')[0] == 'NO'
assert ok(m.xatom('ID', 'NIL')) and b'Rookery' in m.response('ID')[1][0]
ok(m.unsubscribe('INBOX'))
ok(m.unselect())
ok(m.delete('"Räume 2"'))
m.logout()
`;

const popScript = `
import email, email.policy, poplib, smtplib
from email.message import EmailMessage
def message(subject):
    m = EmailMessage()
    m['From'], m['To'], m['Subject'] = user, user, subject
    m.set_content('Text with umlauts: äöü\\n.\\n..two\\n')
    m.add_attachment(bytes(range(256)) * 40, maintype='application', subtype='octet-stream', filename='ä.bin')
    return m
with smtplib.SMTP('localhost', ports['submission']) as s:
    s.starttls(context=tls)
    s.login(user, password)
    assert s.send_message(message('starttls')) == {}
with smtplib.SMTP_SSL('localhost', ports['submissions'], context=tls) as s:
    s.ehlo()
    assert s.has_extn('size') and s.has_extn('8bitmime') and s.has_extn('smtputf8'), s.esmtp_features
    s.user, s.password = user, password
    s.auth('LOGIN', s.auth_login)
    assert s.send_message(message('tls')) == {}
    assert s.verify(user)[0] in (250, 252)
    assert s.docmd('NOOP')[0] == 250
with smtplib.LMTP('localhost', ports['lmtp']) as s:
    refused = s.sendmail('x@elsewhere.test', [user, 'nobody@example.test'], message('lmtp').as_bytes(policy=email.policy.SMTP))
    assert list(refused) == ['nobody@example.test'] and refused['nobody@example.test'][0] == 550, refused
p = poplib.POP3('localhost', ports['pop3'])
p.stls(tls)
p.user(user)
p.pass_(password)
count, size = p.stat()
assert count == 3, count
assert len(p.list()[1]) == 3 and sum(int(line.split()[1]) for line in p.list()[1]) == size
assert len(set(line.split()[1] for line in p.uidl()[1])) == 3
top = p.top(1, 0)[1]
assert b'Subject: starttls' in top, top
subjects = []
for number in (1, 2, 3):
    parsed = email.message_from_bytes(b'\\r\\n'.join(p.retr(number)[1]) + b'\\r\\n', policy=email.policy.default)
    subjects.append(str(parsed['Subject']))
    text = parsed.get_body().get_content().replace('\\r\\n', '\\n')
    assert text == 'Text with umlauts: äöü\\n.\\n..two\\n', text
    attachment = next(parsed.iter_attachments())
    assert attachment.get_content() == bytes(range(256)) * 40 and attachment.get_filename() == 'ä.bin'
assert subjects == ['starttls', 'tls', 'lmtp'], subjects
p.dele(2)
p.rset()
p.dele(1)
p.quit()
p = poplib.POP3_SSL('localhost', ports['pop3s'], context=tls)
assert p.capa().get('UIDL') == [], p.capa()
p.user(user)
p.pass_(password)
assert p.stat()[0] == 2
try:
    p.retr(9)
    raise SystemExit('retrieved what is not there')
except poplib.error_proto:
    pass
p.quit()
`;

describe("Python's mail clients", { skip: missingPrograms('python3') }, () => {
  let server: ServerProcess;
  let folder: TemporaryFolder;
  before(async () => {
    folder = await makeTemporaryFolder();
    server = await ServerProcess.start({ accounts: ['alice', 'bob'] });
  });
  after(async () => {
    await folder.remove();
    await server.stop();
  });

  const run = async (user: string, script: string): Promise<void> => {
    const head = `
import json, ssl
ports = json.loads('''${JSON.stringify(server.ports)}''')
tls = ssl.create_default_context(cafile='${server.certificateFile}')
user, password = '${addressOf(user)}', '${passwordOf(user)}'
`;
    await writeFile(folder.at('script.py'), head + script);
    await runWell('python3', ['-W', 'error', folder.at('script.py')], { cwd: folder.path });
  };

  test('imaplib', () => run('alice', imapScript));
  test('smtplib and poplib', () => run('bob', popScript));
});
