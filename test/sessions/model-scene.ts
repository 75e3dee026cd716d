// Several sessions on several mailboxes against a model that is too simple to be wrong. Each untagged response must be one
// that the model allows at that moment, and a client that does as it is told ends with the server's state, message
// numbers and followed searches included (RFC 9051 5.2, 7.4, 7.5; RFC 5267 4.3).
// One command at a time.

import assert from 'node:assert/strict';
import { allRights, rightOfFlag } from '../../src/mail/rights.ts';
import { type Entry, guestOf } from './client-kind.ts';
import { FollowingClient } from './following-client.ts';
import { type Answer, mail } from './imap-client.ts';
import { flagsWithin, ModelMailbox } from './model-mailboxes.ts';
import {
  changeSilently,
  flags,
  guestRights,
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
import { annotate, append, isAppended } from './model-writes.ts';
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

  /** All look at some messages, follow a search and save one: from then on most of what one does concerns the others. */
  async #begin(): Promise<void> {
    for (const mailbox of this.#mailboxes.values()) mailbox.guestRights = allRights;
    const first = { ...plainStep, action: 'append', flag: flags.indexOf('\\Seen') };
    for (let picks = 0; picks < messagesAtFirst; picks++) await this.perform({ ...first, picks });
    for (const session of this.#clients.keys()) {
      await this.perform({ ...plainStep, action: 'select', session });
      const wish = { uid: session % 2 === 0, silent: true, mode: '-', picks: session };
      await this.perform({ ...plainStep, action: 'follow', session, ...wish });
      await this.perform({ ...plainStep, action: 'save', session });
    }
  }

  close(): void {
    for (const client of this.#clients) client[Symbol.dispose]();
  }

  async perform(given: Step): Promise<void> {
    const client = this.#clients[given.session]!;
    const step = stepOf(client, given);
    if (client.idling !== undefined) await this.#endIdle(client);
    if (this.#isSentAway(client)) return this.#sendAway(step.session);
    if (client.isSelected) await this.#onMessages(client, step);
    await this.#onMailboxes(client, step);
  }

  /** All sessions look, and have it as it is. */
  async end(): Promise<void> {
    for (const [session, { model }] of this.#clients.entries()) {
      await this.perform({ ...plainStep, action: 'noop', session });
      if (model === undefined || this.#clients[session]!.model !== model) continue;
      await this.#fetch(this.#clients[session]!, { uid: true, saved: false }, [
        ...this.#clients[session]!.messages.keys(),
      ]);
      this.#clients[session]!.check();
    }
  }

  /** What it had selected is deleted, or it may not read it any more. */
  #isSentAway({ model, rights }: FollowingClient): boolean {
    return model !== undefined && !([...this.#mailboxes.values()].includes(model) && rights.includes('r'));
  }

  async #sendAway(session: number): Promise<void> {
    const client = this.#clients[session]!;
    assert.equal(await client.saysGoodbye(), '* BYE Selected mailbox is no longer there');
    this.#clients[session] = await FollowingClient.login(this.#entry, client.kind);
  }

  async #endIdle(client: FollowingClient): Promise<void> {
    const { idling } = client;
    client.idling = undefined;
    if (this.#isSentAway(client)) return;
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
        return this.#fetch(client, step, places);
      case 'replace':
        return this.#replace(client, step, places);
      case 'save':
        return client.save(searchWish(step).key);
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
        if (step.action === 'close' && client.mayDelete && client.rights.includes('e'))
          client.model!.expunge();
        await this.#ok(client, step.action);
        client.unselect();
    }
  }

  async #onMailboxes(client: FollowingClient, step: Step): Promise<void> {
    const [name, other] = [names[step.mailbox]!, names[step.other]!];
    const [mailbox, target] = [this.#mailboxes.get(name), this.#mailboxes.get(other)];
    switch (step.action) {
      case 'append':
        return append(client, step, mailbox);
      case 'select':
      case 'examine':
        return this.#select(client, step.action, name);
      case 'create': {
        const answer = await client.ask(`CREATE ${client.nameOf(name)}`);
        // At the top of the hierarchy guests make nothing.
        const works = mailbox === undefined && !client.kind.isGuest;
        if (mailbox !== undefined)
          assert.equal(answer.code, client.kind.isGuest ? 'NOPERM' : 'ALREADYEXISTS');
        assert.equal(answer.status, works ? 'OK' : 'NO');
        if (works) this.#mailboxes.set(name, new ModelMailbox());
        client.follow(answer, true);
        return;
      }
      case 'delete': {
        const works = client.may(mailbox, 'x') && name !== 'INBOX';
        const answer = await client.ask(`DELETE ${client.nameOf(name)}`);
        assert.equal(answer.status, works ? 'OK' : 'NO');
        if (works) this.#mailboxes.delete(name);
        if (works && client.model === mailbox) client.unselect();
        client.follow(answer, true);
        return;
      }
      case 'rename': {
        const works = mailbox !== undefined && target === undefined && !client.kind.isGuest;
        if (works) this.#rename(name, other, mailbox);
        const answer = await client.ask(`RENAME ${client.nameOf(name)} ${client.nameOf(other)}`);
        assert.equal(answer.status, works ? 'OK' : 'NO', answer.text);
        client.follow(answer, true);
        return;
      }
      case 'acl':
        return this.#setAcl(client, step, mailbox);
      case 'annotate':
      case 'annotations':
        return annotate(client, step, mailbox);
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
    mailbox.copyTo(target, [...mailbox.messages.keys()], allRights);
    mailbox.remove([...mailbox.messages.keys()]);
    // RFC 5464 4.1: both have them.
    target.comment = mailbox.comment;
  }

  /** RFC 8508: a message comes and one goes, or neither. */
  async #replace(client: FollowingClient, step: Step, [place]: readonly number[]): Promise<void> {
    if (place === undefined) return;
    const model = client.model!;
    const target = this.#mailboxes.get(names[step.other]!);
    const uid = client.messages[place]!.uid!;
    const isAllowed = !client.readOnly && client.may(model, 'rte') && client.may(target, 'i');
    const works = isAllowed && model.messages.has(uid);
    const text = mail(subjectOf(step));
    const command = numbered(client, 'REPLACE', { ...step, saved: false }, [place]);
    const message = `(${flags[step.flag]}) {${text.length}+}\r\n${text}`;
    const answer = await client.ask(`${command} ${client.nameOf(names[step.other]!)} ${message}`);
    assert.equal(answer.status, works ? 'OK' : 'NO', answer.text);
    if (works) {
      const given = flagsWithin([flags[step.flag]!], client.rightsOn(target));
      const added = target!.add(given, subjectOf(step));
      model.remove([uid]);
      isAppended(/\[(APPENDUID [^\]]*)/.exec(answer.untagged.join('\n'))?.[1], target!, [added]);
    }
    client.follow(answer, true);
  }

  /** What the guest may do, given or taken while it is at work (RFC 4314). */
  async #setAcl(client: FollowingClient, step: Step, mailbox: ModelMailbox | undefined): Promise<void> {
    const rights = guestRights[step.flag]!;
    const works = client.may(mailbox, 'a');
    const name = client.nameOf(names[step.mailbox]!);
    if (works) mailbox!.guestRights = rights;
    const answer = await client.ask(`SETACL ${name} ${guestOf(this.#entry).address} "${rights}"`);
    assert.equal(answer.status, works ? 'OK' : 'NO', answer.text);
    client.follow(answer, true);
    // At once: before its right may come back.
    for (const [session, other] of this.#clients.entries())
      if (this.#isSentAway(other) && other.model === mailbox) await this.#sendAway(session);
  }

  async #select(client: FollowingClient, action: string, name: string): Promise<void> {
    const mailbox = this.#mailboxes.get(name);
    const answer = await client.ask(`${action} ${client.nameOf(name)}`);
    assert.equal(answer.status, client.may(mailbox, 'r') ? 'OK' : 'NO');
    if (mailbox === undefined || answer.status === 'NO') return client.unselect();
    client.followSelect(answer, mailbox, action === 'examine');
    mailbox.isNamed(/UIDVALIDITY (\d+)/.exec(answer.untagged.join())![1]!);
  }

  async #store(client: FollowingClient, step: Step, places: readonly number[]): Promise<void> {
    if (places.length === 0) return;
    const { model } = client;
    const uids = places.map((place) => client.messages[place]!.uid!);
    const isGone = uids.some((uid) => !model!.messages.has(uid));
    const isAllowed = this.#mayChange(client, step);
    const answer = await client.ask(`${numbered(client, 'STORE', step, places)} ${storeChange(step)}`);
    assert.equal(answer.status, !isAllowed || (isGone && !step.uid) ? 'NO' : 'OK', answer.text);
    if (isAllowed) model!.store(uids, step.mode, [flags[step.flag]!], client.rights);
    if (isAllowed && step.silent) changeSilently(client, places, step);
    client.follow(answer, step.uid);
  }

  #mayChange(client: FollowingClient, { flag }: Step): boolean {
    return !client.readOnly && client.rights.includes(rightOfFlag(flags[flag]!));
  }

  /** With the mod-sequence that the client knows: done where nobody was quicker (RFC 7162 3.1.3). */
  async #conditionalStore(client: FollowingClient, step: Step, places: readonly number[]): Promise<void> {
    const place = places.find((each) => client.messages[each]!.modSeq > 0);
    if (!client.knowsModSeqs || !this.#mayChange(client, step) || place === undefined) return;
    const { uid, modSeq, version } = client.messages[place]!;
    const there = client.model!.messages.get(uid!);
    const wins = there?.version === version;
    const command = numbered(client, 'STORE', { ...step, saved: false }, [place]);
    const answer = await client.ask(`${command} (UNCHANGEDSINCE ${modSeq}) ${storeChange(step)}`);
    if (there === undefined) assert.equal(answer.status, step.uid ? 'OK' : 'NO');
    else if (!wins) assert.equal(answer.code, `MODIFIED ${step.uid ? uid : place + 1}`);
    else assert.equal(answer.status, 'OK');
    if (wins) client.model!.store([uid!], step.mode, [flags[step.flag]!], client.rights);
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
    const isMove = step.action === 'move';
    const isAllowed =
      !(isMove && client.readOnly) && client.may(model, isMove ? 'rte' : 'r') && client.may(target, 'i');
    const answer = await client.ask(`${numbered(client, step.action, step, places)} ${client.nameOf(name)}`);
    const code =
      answer.untagged.join('\n').match(/COPYUID ([^\]]*)/)?.[1] ??
      /COPYUID (.*)/.exec(answer.code ?? '')?.[1];
    if (answer.status === 'NO') {
      const isMissing = !step.uid && there.length < uids.length;
      assert(!isAllowed || isMissing, answer.text);
      assert.equal(code, undefined);
    } else if (there.length > 0) {
      assert(isAllowed, answer.text);
      const copies = model.copyTo(target!, there, client.rightsOn(target));
      if (isMove) model.remove(there);
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
    const isAllowed = !client.readOnly && client.rights.includes('e');
    assert.equal(answer.status, isAllowed ? 'OK' : 'NO');
    if (isAllowed) client.model!.expunge(step.action === 'expunge' ? undefined : uids);
    client.follow(answer, true);
  }

  async #fetch(
    client: FollowingClient,
    step: Pick<Step, 'uid' | 'saved'>,
    places: readonly number[],
  ): Promise<void> {
    if (places.length === 0) return;
    const { uid } = step;
    const uids = places.map((place) => client.messages[place]!.uid!);
    const there = uids.filter((each) => client.model!.messages.has(each));
    const items = client.knowsModSeqs ? '(UID FLAGS MODSEQ)' : '(UID FLAGS)';
    const answer = await client.ask(`${numbered(client, 'FETCH', step, places)} ${items}`);
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
