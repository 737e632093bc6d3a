import { cronJobs } from "convex/server";
import { internal } from "./_generated/api.js";

const crons = cronJobs();

crons.interval("forget expired sessions and rate limits", { hours: 1 }, internal.auth.forgetExpired, {});
crons.interval("revive stalled workflows", { minutes: 5 }, internal.workflows.reviveStalled, {});

crons.interval("forget uploads nobody used", { hours: 1 }, internal.attachments.forgetUploads, {});

crons.interval("fetch files of MMS that were not fetched yet", { minutes: 5 }, internal.mms.fetchDue, {});

export default crons;
