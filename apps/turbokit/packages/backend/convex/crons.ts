import { cronJobs } from "convex/server";
import { internal } from "./_generated/api.js";

const crons = cronJobs();

crons.interval("cleanup-expired-sessions", { hours: 2 }, internal.sessions.cleanupExpired, {});
crons.daily("send-digest-emails", { hourUTC: 5, minuteUTC: 30 }, internal.emails.sendDailyDigest, {});
crons.interval("flush-outbox", { minutes: 1 }, internal.outbox.flushAll, {});
crons.interval("release-expired-reservations", { minutes: 5 }, internal.billing.releaseExpired, {});
crons.interval("remove-abandoned-uploads", { hours: 6 }, internal.uploads.removeAbandoned, {});
crons.daily("archive-stale-drafts", { hourUTC: 3, minuteUTC: 10 }, internal.projects.archiveStaleDrafts, {});
crons.daily("purge-deleted", { hourUTC: 4, minuteUTC: 0 }, internal.users.purgeDeleted, {});
crons.monthly("refill-free-credits", { day: 1, hourUTC: 0, minuteUTC: 5 }, internal.billing.refillFree, {});

export default crons;
