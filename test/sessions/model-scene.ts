// Several sessions on several mailboxes against a model that is too simple to be wrong. Each untagged response must be one
// that the model allows at that moment, and a client that does as it is told ends with the server's state, message
// numbers and followed searches included (RFC 9051 5.2, 7.4, 7.5; RFC 5267 4.3).
// One command at a time.

import assert from 'node:assert/strict';
import { type Entry, FollowingClient } from './following-client.ts';
import { type Answer, mail } from './imap-client.ts';
import { ModelMailbox } from './model-mailboxes.ts';
import {
  changeSilently,
  flags,
  loginClients,
  names,
  numbered,
  picked,
  plainStep,
  type Step,
  searchWish,
  stepOf,
  storeChange,
  subjectOf,
} from './model-steps.ts';
import { expandSet } from './sequence-numbers.ts';

const messagesAtFirst = 6;

export class Scene {
  readonly #entry: Entry;
  readonly #mailboxes = new Map(names.slice(0, 2).map((name) => [name, new ModelMailbox()]));
  readonly #clients: FollowingClient[];

  private constructor(entry: Entry, clients: FollowingClient[]) {
    this.#entry = entry;
    this.#clients = clients;
  }

  static async open(entry: Entry): Promise<Scene> {
    const scene = new Scene(entry, await loginClients(entry));
    await scene.#begin();
    return scene;
  }

  /** All look at some messages and follow a search: from then on most of what one does concerns the others. */
  async #begin(): Promise<void> {
    const first = { ...plainStep, action: 'append', flag: flags.indexOf('\\Seen') };
    for (let picks = 0; picks < messagesAtFirst; picks++) await this.perform({ ...first, picks });
    for (const session of this.#clients.keys()) {
      await this.perform({ ...plainStep, action: 'select', session });
      const wish = { uid: session % 2 === 0, silent: true, mode: '-', picks: session };
      await this.perform({ ...plainStep, action: 'follow', session, ...wish });
    }
  }

  close(): void {
    for (const client of this.#clients) client[Symbol.dispose]();
  }

  async perform(given: Step): Promise<void> {
    const client = this.#clients[given.session]!;
    const step = stepOf(client, given);
    if (client.idling !== undefined) await this.#endIdle(client);
    if (client.model !== undefined && ![...this.#mailboxes.values()].includes(client.model)) {
      assert.equal(await client.saysGoodbye(), '* BYE Selected mailbox is no longer there');
      this.#clients[step.session] = await FollowingClient.login(this.#entry, client.kind);
      return;
    }
    if (client.isSelected) await this.#onMessages(client, step);
    await this.#onMailboxes(client, step);
  }

  /** All sessions look, and have it as it is. */
  async end(): Promise<void> {
    for (const [session, { model }] of this.#clients.entries()) {
      await this.perform({ ...plainStep, action: 'noop', session });
      if (model === undefined || this.#clients[session]!.model !== model) continue;
      await this.#fetch(this.#clients[session]!, true, [...this.#clients[session]!.messages.keys()]);
      this.#clients[session]!.check();
    }
  }

  async #endIdle(client: FollowingClient): Promise<void> {
    const { idling } = client;
    client.idling = undefined;
    if (client.model !== undefined && ![...this.#mailboxes.values()].includes(client.model)) return;
    await client.followPushed(await idling!());
    if (client.isSelected) client.check();
  }

  async #onMessages(client: FollowingClient, step: Step): Promise<void> {
    const places = picked(client, step);
    switch (step.action) {
      case 'store':
        return this.#store(client, step, places);
      case 'conditionalStore':
        return this.#conditionalStore(client, step, places);
      case 'copy':
      case 'move':
        return this.#copy(client, step, places);
      case 'expunge':
      case 'uidExpunge':
        return this.#expunge(client, step, places);
      case 'fetch':
        return this.#fetch(client, step.uid, places);
      case 'search':
        client.follow(
          await this.#ok(client, client.kind.uidOnly ? 'UID SEARCH ALL' : 'SEARCH ALL'),
          client.kind.uidOnly,
        );
        return;
      case 'follow':
        return client.search(searchWish(step));
      case 'cancel':
        return client.cancelSearch();
      case 'close':
      case 'unselect':
        if (step.action === 'close' && !client.readOnly) client.model!.expunge();
        await this.#ok(client, step.action);
        client.unselect();
    }
  }

  async #onMailboxes(client: FollowingClient, step: Step): Promise<void> {
    const [name, other] = [names[step.mailbox]!, names[step.other]!];
    const [mailbox, target] = [this.#mailboxes.get(name), this.#mailboxes.get(other)];
    switch (step.action) {
      case 'append': {
        const answer = await client.append(name, mail(subjectOf(step)), `(${flags[step.flag]})`);
        const uid = mailbox?.add(new Set([flags[step.flag]!]), subjectOf(step));
        assert.match(answer.code ?? '', mailbox ? /^APPENDUID / : /^TRYCREATE$/);
        const [, uidValidity, told] = answer.code!.split(' ');
        if (mailbox !== undefined) mailbox.isNamed(uidValidity!);
        if (mailbox !== undefined) assert.equal(Number(told), uid);
        client.follow(answer, true);
        return;
      }
      case 'select':
      case 'examine':
        return this.#select(client, step.action, name);
      case 'create': {
        const answer = await client.ask(`CREATE ${name}`);
        assert.equal(answer.code ?? '', mailbox === undefined ? answer.code : 'ALREADYEXISTS');
        assert.equal(answer.status, mailbox === undefined ? 'OK' : 'NO');
        if (mailbox === undefined) this.#mailboxes.set(name, new ModelMailbox());
        client.follow(answer, true);
        return;
      }
      case 'delete': {
        const answer = await client.ask(`DELETE ${name}`);
        const works = mailbox !== undefined && name !== 'INBOX';
        assert.equal(answer.status, works ? 'OK' : 'NO');
        if (works) this.#mailboxes.delete(name);
        if (works && client.model === mailbox) client.unselect();
        client.follow(answer, true);
        return;
      }
      case 'rename': {
        const works = mailbox !== undefined && target === undefined;
        if (works) this.#rename(name, other, mailbox);
        const answer = await client.ask(`RENAME ${name} ${other}`);
        assert.equal(answer.status, works ? 'OK' : 'NO', answer.text);
        client.follow(answer, true);
        return;
      }
      case 'noop':
        client.follow(await this.#ok(client, 'NOOP'), true);
        if (client.isSelected) client.check();
        return;
      case 'idle':
        return client.idle();
      case 'compress':
        return client.compress();
    }
  }

  #rename(from: string, to: string, mailbox: ModelMailbox): void {
    if (from !== 'INBOX') {
      this.#mailboxes.delete(from);
      this.#mailboxes.set(to, mailbox);
      return;
    }
    // RFC 9051 6.3.6: INBOX stays, what was in it goes.
    const target = new ModelMailbox();
    this.#mailboxes.set(to, target);
    mailbox.copyTo(target, [...mailbox.messages.keys()]);
    mailbox.remove([...mailbox.messages.keys()]);
  }

  async #select(client: FollowingClient, action: string, name: string): Promise<void> {
    const mailbox = this.#mailboxes.get(name);
    const answer = await client.ask(`${action} ${name}`);
    assert.equal(answer.status, mailbox === undefined ? 'NO' : 'OK');
    if (mailbox === undefined) return client.unselect();
    client.followSelect(answer, mailbox, action === 'examine');
    mailbox.isNamed(/UIDVALIDITY (\d+)/.exec(answer.untagged.join())![1]!);
  }

  async #store(client: FollowingClient, step: Step, places: readonly number[]): Promise<void> {
    if (places.length === 0) return;
    const { model } = client;
    const uids = places.map((place) => client.messages[place]!.uid!);
    const isGone = uids.some((uid) => !model!.messages.has(uid));
    const answer = await client.ask(`${numbered(client, 'STORE', step.uid, places)} ${storeChange(step)}`);
    assert.equal(answer.status, client.readOnly || (isGone && !step.uid) ? 'NO' : 'OK', answer.text);
    if (!client.readOnly) model!.store(uids, step.mode, [flags[step.flag]!]);
    if (!client.readOnly && step.silent) changeSilently(client, places, step);
    client.follow(answer, step.uid);
  }

  /** With the mod-sequence that the client knows: done where nobody was quicker (RFC 7162 3.1.3). */
  async #conditionalStore(client: FollowingClient, step: Step, places: readonly number[]): Promise<void> {
    const place = places.find((each) => client.messages[each]!.modSeq > 0);
    if (!client.knowsModSeqs || client.readOnly || place === undefined) return;
    const { uid, modSeq, version } = client.messages[place]!;
    const there = client.model!.messages.get(uid!);
    const wins = there?.version === version;
    const command = numbered(client, 'STORE', step.uid, [place]);
    const answer = await client.ask(`${command} (UNCHANGEDSINCE ${modSeq}) ${storeChange(step)}`);
    if (there === undefined) assert.equal(answer.status, step.uid ? 'OK' : 'NO');
    else if (!wins) assert.equal(answer.code, `MODIFIED ${step.uid ? uid : place + 1}`);
    else assert.equal(answer.status, 'OK');
    if (wins) client.model!.store([uid!], step.mode, [flags[step.flag]!]);
    if (wins && step.silent) changeSilently(client, [place], step);
    client.follow(answer, step.uid);
  }

  async #copy(client: FollowingClient, step: Step, places: readonly number[]): Promise<void> {
    if (places.length === 0) return;
    const model = client.model!;
    const name = names[step.other]!;
    const target = this.#mailboxes.get(name);
    const uids = places.map((place) => client.messages[place]!.uid!);
    const there = uids.filter((uid) => model.messages.has(uid));
    const answer = await client.ask(`${numbered(client, step.action, step.uid, places)} ${name}`);
    const code =
      answer.untagged.join('\n').match(/COPYUID ([^\]]*)/)?.[1] ??
      /COPYUID (.*)/.exec(answer.code ?? '')?.[1];
    if (answer.status === 'NO') {
      const isRefused = step.action === 'move' && client.readOnly;
      const isMissing = !step.uid && there.length < uids.length;
      assert(target === undefined || isRefused || isMissing, answer.text);
      assert.equal(code, undefined);
    } else if (there.length > 0) {
      const copies = model.copyTo(target!, there);
      if (step.action === 'move') model.remove(there);
      const [uidValidity, from, to] = code!.split(' ');
      target!.isNamed(uidValidity!);
      assert.deepEqual([expandSet(from!), expandSet(to!)], [there, copies]);
    }
    client.follow(answer, true);
  }

  async #expunge(client: FollowingClient, step: Step, places: readonly number[]): Promise<void> {
    const uids = places.map((place) => client.messages[place]!.uid!);
    if (step.action === 'uidExpunge' && uids.length === 0) return;
    const command = step.action === 'expunge' ? 'EXPUNGE' : `UID EXPUNGE ${uids.join()}`;
    const answer = await client.ask(command);
    assert.equal(answer.status, client.readOnly ? 'NO' : 'OK');
    if (!client.readOnly) client.model!.expunge(step.action === 'expunge' ? undefined : uids);
    client.follow(answer, true);
  }

  async #fetch(client: FollowingClient, uid: boolean, places: readonly number[]): Promise<void> {
    if (places.length === 0) return;
    const uids = places.map((place) => client.messages[place]!.uid!);
    const there = uids.filter((each) => client.model!.messages.has(each));
    const items = client.knowsModSeqs ? '(UID FLAGS MODSEQ)' : '(UID FLAGS)';
    const answer = await client.ask(`${numbered(client, 'FETCH', uid, places)} ${items}`);
    assert.equal(answer.status, !uid && there.length < uids.length ? 'NO' : 'OK');
    const told = new Set(
      answer.untagged.map((line) =>
        Number(/ FETCH \(UID (\d+)|(\d+) UIDFETCH /.exec(line)?.slice(1).join('')),
      ),
    );
    for (const each of there) assert(told.has(each), `${each} is there and was not told`);
    client.follow(answer, uid);
  }

  async #ok(client: FollowingClient, command: string): Promise<Answer> {
    const answer = await client.ask(command);
    assert.equal(answer.status, 'OK', command);
    return answer;
  }
}
