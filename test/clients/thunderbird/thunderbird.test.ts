// Thunderbird, driven in its own windows: is given an account, reads, replies, moves, searches, deletes, and hears of new mail. Each
// step is judged by what the server has afterwards and by what Thunderbird shows; pictures of it are left in a folder.

import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import {
  bytesOf,
  type MessageRow,
  messagesOf,
  numberedMessage,
  storeMessage,
} from '../../account-content.ts';
import { addressOf, ServerProcess } from '../../server-process.ts';
import { missingThunderbird, ThunderbirdProcess } from './thunderbird-process.ts';

const messages = 12;
const nested = 'Projekte/Räume/Größe';
const artefacts = join(tmpdir(), 'rookery-artefacts', 'thunderbird');
const limitMs = 60_000;
const retryMs = 50;

describe('Thunderbird', { skip: missingThunderbird() }, () => {
  let server: ServerProcess;
  let thunderbird: ThunderbirdProcess;
  before(async () => {
    await rm(artefacts, { recursive: true, force: true });
    await mkdir(artefacts, { recursive: true });
    server = await ServerProcess.start({ accounts: ['alice', 'bob'] });
    for (let number = 0; number < messages; number++)
      await storeMessage(server.admin, 'alice', { bytes: fromBob(number), date: 1_700_000_000 + number });
    await storeMessage(server.admin, 'alice', { bytes: numberedMessage(100), mailbox: nested });
    thunderbird = await ThunderbirdProcess.start(server, join(artefacts, 'log'));
  });
  after(async () => {
    await thunderbird?.[Symbol.asyncDispose]();
    await server.stop();
  });

  const fromBob = (number: number): string =>
    numberedMessage(number).replace('sender@elsewhere.test', `Bob <${addressOf('bob')}>`);
  const picture = (name: string): Promise<void> => thunderbird.screenshot(join(artefacts, `${name}.png`));

  /** The messages of a mailbox once they are as told. */
  async function rows(
    user: string,
    mailbox: string,
    isWanted: (rows: MessageRow[]) => boolean,
  ): Promise<MessageRow[]> {
    for (const until = performance.now() + limitMs; ; await wait(retryMs)) {
      const found = await messagesOf(server.admin, user, mailbox);
      if (isWanted(found)) return found;
      if (performance.now() > until) assert.fail(`never came in ${mailbox}: ${JSON.stringify(found)}`);
    }
  }
  const flagsOf = (found: readonly MessageRow[], uid: number): string[] | undefined =>
    found.find((row) => row.uid === uid)?.flags.toSorted();

  test('tries and keeps the account it is given, and opens it: folders and messages', async (t) => {
    t.diagnostic(`pictures: ${artefacts}`);
    await thunderbird.configure(server, 'alice');
    const { paths, subjects } = await thunderbird.run<{ paths: string[]; subjects: string[] }>(
      `const inbox = await until(() => account.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox));
      about.displayFolder(inbox.URI);
      await until(() => about.gDBView?.rowCount === args[1]);
      await until(() => folderOf(args[0]) && about.threadTree.textContent.includes('number 0'));
      return { paths: account.rootFolder.descendants.map(pathOf), subjects: rowsOf(about.gDBView) };`,
      ...[nested, messages],
    );
    await picture('inbox');
    for (const path of ['Archive', 'Drafts', 'Junk', 'Sent', 'Trash', nested])
      assert.ok(paths.includes(path), path);
    assert.deepEqual(
      subjects.toSorted(),
      Array.from({ length: messages }, (_, number) => `number ${number}`).toSorted(),
    );
  });

  test('reads a message, which is seen then', async () => {
    const text = await thunderbird.run<string>(
      `about.threadTree.selectedIndex = rowsOf(about.gDBView).indexOf('number 3');
      const browser = about.messageBrowser.contentWindow.getMessagePaneBrowser();
      return until(() => browser.contentDocument?.body?.textContent.includes('message 3.')
        && browser.contentDocument.body.textContent);`,
    );
    assert.match(text, /Text of message 3\.\s+\.a line of a paragraph/);
    await rows('alice', 'INBOX', (found) => flagsOf(found, 4)?.includes('\\Seen') ?? false);
    await picture('read');
  });

  test('replies: the answer arrives, a copy is kept, the message is answered', async () => {
    await thunderbird.run(
      `about.goDoCommand('cmd_reply');
      const compose = await until(() => Services.wm.getMostRecentWindow('msgcompose'));
      await until(() => compose.document.readyState === 'complete' && compose.gMsgCompose?.editor
        && compose.gMsgCompose.editor.document.body.textContent.includes('message 3.'));
      compose.gMsgCompose.editor.QueryInterface(Ci.nsIEditor);
      compose.gMsgCompose.editor.insertText('Schöne Antwort');`,
    );
    await thunderbird.screenshot(join(artefacts, 'reply.png'), 'last');
    await thunderbird.run(
      `const compose = Services.wm.getMostRecentWindow('msgcompose');
      compose.goDoCommand('cmd_sendNow');
      await until(() => compose.closed);`,
    );
    const [reply] = await rows('bob', 'INBOX', (found) => found.length === 1);
    const arrived = (await bytesOf(server.admin, 'bob', { uid: reply!.uid })).toString('latin1');
    assert.match(arrived, /^Subject: Re: number 3\r$/m);
    assert.match(arrived, /^In-Reply-To: <3@elsewhere\.test>\r$/m);
    assert.match(Buffer.from(arrived, 'latin1').toString(), /Schöne Antwort/);
    const [copy] = await rows('alice', 'Sent', (found) => found.length === 1);
    assert.ok(copy!.flags.includes('\\Seen'));
    await rows('alice', 'INBOX', (found) => flagsOf(found, 4)?.includes('\\Answered') ?? false);
    await picture('replied');
  });

  test('moves messages to another folder', async () => {
    const left = await thunderbird.run<string[]>(
      `const selected = ['number 5', 'number 6'].map((subject) => rowsOf(about.gDBView).indexOf(subject));
      about.threadTree.selectedIndices = selected;
      about.commandController.doCommand('cmd_moveMessage', folderOf(args[0]));
      await until(() => about.gDBView.rowCount === args[1] - 2);
      return rowsOf(about.gDBView);`,
      ...[nested, messages],
    );
    assert.ok(!left.includes('number 5') && !left.includes('number 6'));
    const moved = await rows('alice', nested, (found) => found.length === 3);
    const bytes = await Promise.all(
      moved.slice(1).map(({ uid }) => bytesOf(server.admin, 'alice', { mailbox: nested, uid })),
    );
    assert.deepEqual(bytes.map(String).toSorted(), [fromBob(5), fromBob(6)]);
    const rest = await messagesOf(server.admin, 'alice');
    assert.ok(!rest.some(({ uid, flags }) => (uid === 6 || uid === 7) && !flags.includes('\\Deleted')));
    const shown = await thunderbird.run<string[]>(
      `about.displayFolder(folderOf(args[0]).URI);
      await until(() => about.gDBView?.rowCount === 3);
      return rowsOf(about.gDBView);`,
      nested,
    );
    assert.deepEqual(shown.toSorted(), ['number 100', 'number 5', 'number 6']);
    await picture('moved');
  });

  test('deletes a message, and hears of a new one without asking', async () => {
    await thunderbird.run(
      `about.threadTree.selectedIndex = rowsOf(about.gDBView).indexOf('number 5');
      about.commandController.doCommand('cmd_delete');
      await until(() => about.gDBView.rowCount === 2);
      about.displayFolder(account.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox).URI);
      await until(() => about.gDBView?.rowCount === args[0]);`,
      messages - 2,
    );
    const [trashed] = await rows('alice', 'Trash', (found) => found.length === 1);
    const bytes = await bytesOf(server.admin, 'alice', { mailbox: 'Trash', uid: trashed!.uid });
    assert.equal(String(bytes), fromBob(5));
    await storeMessage(server.admin, 'alice', { bytes: fromBob(50) });
    await thunderbird.run(`await until(() => rowsOf(about.gDBView).includes('number 50'));`);
    await picture('new');
  });

  test('searches on the server, and among what it shows', async () => {
    const searches = async (): Promise<number> => {
      const metrics = await fetch(`http://127.0.0.1:${server.ports.admin}/metrics`);
      const counts = (await metrics.text()).matchAll(
        /^rookery_imap_commands_total\{.*SEARCH".*OK".*\} (\d+)$/gm,
      );
      return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const searchesBefore = await searches();
    const found = await thunderbird.run<string[]>(
      `const folder = account.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
      window.openDialog('chrome://messenger/content/SearchDialog.xhtml', '_blank', 'chrome,dialog=no', { folder });
      const dialog = await until(() => Services.wm.getMostRecentWindow('mailnews:search'));
      const element = (id) => dialog.document.getElementById(id);
      await until(() => dialog.document.readyState === 'complete' && element('searchVal0'));
      element('checkSearchOnline').click();
      element('searchAttr0').value = String(Ci.nsMsgSearchAttrib.Body);
      element('searchOp0').value = String(Ci.nsMsgSearchOp.Contains);
      element('searchVal0').querySelector('input').value = 'message 9.';
      element('search-button').click();
      const view = await until(() => dialog.gFolderDisplay.view.dbView?.rowCount > 0 && dialog.gFolderDisplay.view.dbView);
      await until(() => element('search-button').getAttribute('data-l10n-id') === 'search-button');
      return rowsOf(view);`,
    );
    await thunderbird.screenshot(join(artefacts, 'searched on the server.png'), 'last');
    assert.deepEqual(found, ['number 9']);
    assert.ok((await searches()) > searchesBefore, 'it did not ask the server');
    const shown = await thunderbird.run<string[]>(
      `about.goDoCommand('cmd_showQuickFilterBar');
      about.quickFilterBar.filterer.setFilterValue('text', { text: 'number 1', states:
        { sender: false, recipients: false, subject: true, body: false } });
      about.quickFilterBar.updateSearch();
      await until(() => about.gDBView?.rowCount === 3 && about.threadTree.textContent.includes('number 11'));
      return rowsOf(about.gDBView);`,
    );
    assert.deepEqual(shown.toSorted(), ['number 1', 'number 10', 'number 11']);
    await picture('searched');
  });
});
