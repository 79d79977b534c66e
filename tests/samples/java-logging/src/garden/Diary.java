package garden;

import com.huawei.services.runtime.Context;
import com.huawei.services.runtime.RuntimeLogger;

/** Logs on every level, and prints. */
public class Diary {
    public String write(String event, Context context) {
        RuntimeLogger log = context.getLogger();
        log.debug("unseen at first");
        log.setLevel("DEBUG");
        log.debug("a bud");
        log.log("a leaf");
        log.warn("a slug");
        log.error("two slugs");
        log.info(" ");
        log.setLevel("ERROR");
        log.info("unseen at last");
        log.setLevel("INFO");
        System.out.println("printed \u00e4\u00f6\u00fc");
        System.err.printf("%d %s%n", 3, "errors");
        System.out.print("no end");
        return null;
    }
}
