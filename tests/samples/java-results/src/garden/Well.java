package garden;

import com.services.runtime.Context;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** Returns what it is asked for. */
public class Well {
    public Object draw(String event, Context context) {
        switch (event) {
            case "":
                return null;
            case "1":
                return "\u201etext\u201c";
            case "2":
                return 2.5;
            case "3":
                Map<String, Object> round = new HashMap<>();
                round.put("round", round);
                return round;
            case "4":
                char[] much = new char[6291457];
                Arrays.fill(much, 'a');
                return new String(much);
            default:
                return event;
        }
    }
}
