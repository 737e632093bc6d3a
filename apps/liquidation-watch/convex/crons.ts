import { cronJobs } from "convex/server";
import { internal } from "./_generated/api.js";

const crons = cronJobs();

crons.interval("agents look at the market", { seconds: 6 }, internal.agents.comment, {});
crons.interval("old comments go", { minutes: 10 }, internal.agents.deleteOldComments, {});

export default crons;
