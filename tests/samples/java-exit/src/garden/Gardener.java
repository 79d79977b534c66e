package garden;

import com.huawei.services.runtime.Context;

/** Leaves when told to. */
public class Gardener {
    public String work(String event, Context context) {
        if (event.contains("leave")) {
            System.out.print("good bye");
            System.exit(3);
        }
        return "worked";
    }
}
