/** The bus on which sign-ups come in and replies go out, and its archive. */
import { names, settings } from "./stage.ts";

export const bus = new sst.aws.Bus("Bus", {
  transform: {
    bus: (eventBus) => {
      eventBus.name = names.bus;
    },
  },
});

export const archive = new aws.cloudwatch.EventArchive("Archive", {
  name: names.archive,
  description: "Every event of the bus, to be replayed from",
  eventSourceArn: bus.arn,
  retentionDays: settings.archiveRetentionDays,
});
