// Runs Kafka's command-line classes one after the other in one virtual machine, because starting one for each takes longer than the tools
// themselves. Reads commands from its standard input and answers with exit code, output and errors, all as lengths and bytes.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.utils.Exit;

public class Tools {
    /** What a tool throws itself out with when it asks the process to end. */
    private static class Ended extends Error {
        Ended() {
            super("ended", null, false, false);
        }
    }

    // Tools hold on to the streams they find at first, so these stay and what is behind them changes.
    private static volatile InputStream input = InputStream.nullInputStream();
    private static final AtomicReference<ByteArrayOutputStream> output = new AtomicReference<>(new ByteArrayOutputStream());
    private static final AtomicReference<ByteArrayOutputStream> errors = new AtomicReference<>(new ByteArrayOutputStream());
    private static volatile Integer exitCode;
    // What a tool wants done when the process ends, such as a producer that still holds records: done when the tool ends.
    private static final Queue<Runnable> hooks = new ConcurrentLinkedQueue<>();

    private static PrintStream to(AtomicReference<ByteArrayOutputStream> target) {
        return new PrintStream(new OutputStream() {
            @Override
            public void write(int b) {
                target.get().write(b);
            }

            @Override
            public void write(byte[] bytes, int from, int count) {
                target.get().write(bytes, from, count);
            }
        }, true, StandardCharsets.UTF_8);
    }

    private static String read(DataInputStream in) throws Exception {
        return new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8);
    }

    private static void write(DataOutputStream out, ByteArrayOutputStream from) throws Exception {
        byte[] bytes = from.toByteArray();
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    public static void main(String[] none) throws Exception {
        DataInputStream commands = new DataInputStream(System.in);
        DataOutputStream answers = new DataOutputStream(System.out);
        System.setIn(new InputStream() {
            @Override
            public int read() throws java.io.IOException {
                return input.read();
            }

            @Override
            public int read(byte[] into, int from, int count) throws java.io.IOException {
                return input.read(into, from, count);
            }
        });
        System.setOut(to(output));
        System.setErr(to(errors));
        Exit.Procedure end = (code, message) -> {
            if (exitCode == null) {
                exitCode = code;
            }
            throw new Ended();
        };
        Exit.setExitProcedure(end);
        Exit.setHaltProcedure(end);
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        while (true) {
            int words;
            try {
                words = commands.readInt();
            } catch (EOFException gone) {
                System.exit(0);
                return;
            }
            int seconds = commands.readInt();
            input = new ByteArrayInputStream(read(commands).getBytes(StandardCharsets.UTF_8));
            String name = read(commands);
            String[] arguments = new String[words - 1];
            for (int i = 0; i < arguments.length; i++) {
                arguments[i] = read(commands);
            }
            output.set(new ByteArrayOutputStream());
            errors.set(new ByteArrayOutputStream());
            exitCode = null;
            Thread tool = new Thread(() -> run(name, arguments), name);
            tool.setDaemon(true);
            tool.start();
            tool.join(seconds * 1000L);
            if (tool.isAlive()) {
                System.err.println(name + " did not end within " + seconds + " s");
                exitCode = 124;
                tool.interrupt();
            }
            answers.writeInt(exitCode == null ? 0 : exitCode);
            write(answers, output.get());
            write(answers, errors.get());
            answers.flush();
        }
    }

    private static void run(String name, String[] arguments) {
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException thrown) {
            if (!(thrown.getCause() instanceof Ended)) {
                exitCode = 1;
                thrown.getCause().printStackTrace();
            }
        } catch (ReflectiveOperationException unknown) {
            exitCode = 127;
            unknown.printStackTrace();
        } finally {
            for (Runnable hook = hooks.poll(); hook != null; hook = hooks.poll()) {
                try {
                    hook.run();
                } catch (Throwable atTheEnd) {
                    // As in a process of its own, where nobody would see it.
                }
            }
        }
    }
}
