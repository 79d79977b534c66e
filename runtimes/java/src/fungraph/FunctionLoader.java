package fungraph;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Loads the function's classes: from its code folder, then from every jar below it, in the order of their paths.
 *
 * <p>What the platform has wins, as on a class path of one: context and logger must be the ones we make. Two exceptions,
 * where the function's own copy wins. Event classes, since some packages bring newer ones. And Gson, if the function
 * brings one: then that one, with the classes of ours that work with it, so that neither breaks the other.
 */
final class FunctionLoader extends URLClassLoader {
    private static final String MARSHAL = GsonMarshal.class.getName();
    private static final String[] EVENTS = {
        "com.huawei.services.runtime.entity.", "com.opentelekomcloud.services.functiongraph.runtime."
    };

    static {
        registerAsParallelCapable();
    }

    private final boolean ownGson;
    /** Whether the function sees of the platform only what it must: the classes of the API. */
    private final boolean isIsolated;

    private FunctionLoader(URL[] urls, ClassLoader parent, boolean isIsolated) {
        super(urls, parent);
        this.isIsolated = isIsolated;
        ownGson = findResource("com/google/gson/Gson.class") != null;
    }

    static FunctionLoader of(String codeRoot, boolean isIsolated) throws IOException {
        List<URL> urls = new ArrayList<>();
        File root = new File(codeRoot);
        urls.add(root.toURI().toURL());
        addJars(root, urls);
        return new FunctionLoader(urls.toArray(new URL[0]), FunctionLoader.class.getClassLoader(), isIsolated);
    }

    /** Whether the package has any class to load. */
    static boolean hasClasses(File folder) {
        File[] files = folder.listFiles();
        for (File file : files == null ? new File[0] : files) {
            String name = file.getName();
            if (file.isDirectory() ? hasClasses(file) : name.endsWith(".class") || isJar(name)) {
                return true;
            }
        }
        return false;
    }

    /** The marshal that shares its Gson with the function. */
    Marshal marshal() throws ReflectiveOperationException {
        if (!ownGson) {
            return new GsonMarshal();
        }
        java.lang.reflect.Constructor<?> make = loadClass(MARSHAL).getDeclaredConstructor();
        make.setAccessible(true);
        return (Marshal) make.newInstance();
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        if (isIsolated && isPlatforms(name)) {
            return isolated(name);
        }
        if (!isOwn(name)) {
            return super.loadClass(name, resolve);
        }
        synchronized (getClassLoadingLock(name)) {
            Class<?> loaded = findLoadedClass(name);
            if (loaded == null) {
                loaded = name.equals(MARSHAL) ? again(name) : own(name);
            }
            return loaded == null ? super.loadClass(name, resolve) : loaded;
        }
    }

    /** Whether the function's copy of a class comes before the platform's. */
    private boolean isOwn(String name) {
        if (name.startsWith(EVENTS[0]) || name.startsWith(EVENTS[1])) {
            return true;
        }
        return ownGson && (name.startsWith("com.google.gson.") || name.equals(MARSHAL));
    }

    /** Whether a class is one that the platform has for its own sake. */
    private static boolean isPlatforms(String name) {
        boolean isShared = name.equals(MARSHAL) || name.equals(Marshal.class.getName());
        return name.startsWith("com.google.gson.") || name.startsWith("fungraph.") && !isShared;
    }

    /** One of such a name, from the package or not at all. */
    private Class<?> isolated(String name) throws ClassNotFoundException {
        synchronized (getClassLoadingLock(name)) {
            Class<?> loaded = findLoadedClass(name);
            return loaded == null ? findClass(name) : loaded;
        }
    }

    private Class<?> own(String name) {
        try {
            return findClass(name);
        } catch (ClassNotFoundException platforms) {
            return null;
        }
    }

    /** A class of ours once more, so that it sees the function's Gson. */
    private Class<?> again(String name) throws ClassNotFoundException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (InputStream in = getParent().getResourceAsStream(name.replace('.', '/') + ".class")) {
            byte[] chunk = new byte[4096];
            for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
                bytes.write(chunk, 0, count);
            }
        } catch (IOException broken) {
            throw new ClassNotFoundException(name, broken);
        }
        return defineClass(name, bytes.toByteArray(), 0, bytes.size());
    }

    private static void addJars(File folder, List<URL> urls) throws IOException {
        File[] files = folder.listFiles();
        if (files == null) {
            return;
        }
        Arrays.sort(files);
        for (File file : files) {
            if (file.isDirectory()) {
                addJars(file, urls);
            } else if (isJar(file.getName())) {
                urls.add(file.toURI().toURL());
            }
        }
    }

    private static boolean isJar(String name) {
        return name.endsWith(".jar");
    }
}
