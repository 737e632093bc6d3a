import { anyApi, cronJobs } from "convex/server";

const crons = cronJobs();
crons.interval("own", { hours: 1 }, anyApi["timer"]!["ring"]!, { by: "cron" });

export default crons;
