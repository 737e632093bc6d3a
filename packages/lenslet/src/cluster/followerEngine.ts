import type { EngineApi, MutationCall, MutationResult } from "../engine/api.ts";
import { notTheLeader } from "../engine/wire.ts";
import type { LeaderLink } from "./leaderLink.ts";

/**
 * The engine as sessions of a follower see it: queries here, mutations there. The answer of a mutation need not wait for its
 * commit to arrive: whoever shows results waits for its timestamp (sync/session.ts).
 */
export function followerEngine(engine: EngineApi, link: LeaderLink): EngineApi {
  return {
    query: (call) => engine.query(call),
    mutation: (call: MutationCall): Promise<MutationResult> => link.mutation(call),
    prepareAction: (call) => engine.prepareAction(call),
    lookup: (target, identity) => engine.lookup(target, identity),
    vectorSearch: (componentPath, argsJson) => engine.vectorSearch(componentPath, argsJson),
    openQuery: (call) => engine.openQuery(call),
    closeQuery: (id) => engine.closeQuery(id),
    latestTs: () => engine.latestTs(),
    deployment: () => engine.deployment(),
    system: () => Promise.reject(notTheLeader()),
    subscribe: (events) => engine.subscribe(events),
  };
}
