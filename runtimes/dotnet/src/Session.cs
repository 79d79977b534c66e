using System;
using System.IO;
using System.Reflection;
using System.Runtime.Loader;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Fungraph
{
    /// <summary>One conversation with the platform: answers frames until it ends.</summary>
    sealed class Session
    {
        const int RequestId = 36;
        /// <summary>More calls at once than this wait for a thread: a sandbox has 1024 of all kinds.</summary>
        const int MostThreads = 900;

        readonly Wire wire;
        /// <summary>Ends the process.</summary>
        readonly Action<int> end;
        readonly Running running = new Running();
        readonly Journal journal;
        readonly Output output;
        /// <summary>Where assemblies come from, if not from the code package: a rehearsed function is a part of us.</summary>
        readonly Func<string, Assembly> assemblies;
        AssemblyLoadContext context;
        Loaded loaded;
        Handler handler;
        bool severalAtOnce;

        internal Session(Wire wire, Action<int> end, Func<string, Assembly> assemblies = null)
        {
            this.wire = wire;
            this.end = end;
            this.assemblies = assemblies;
            journal = new Journal(wire, running);
            output = new Output(journal);
        }

        internal void Hello()
        {
            string text = "{\"protocol\":1,\"language\":\"dotnet\",\"version\":\"" + Environment.Version + "\"}";
            wire.Send(Wire.Hello, 0, Encoding.UTF8.GetBytes(text));
        }

        /// <summary>Everything .NET prints goes through us from here on, and so do errors that nobody catches.</summary>
        internal void TakeOutput()
        {
            Console.SetOut(output);
            Console.SetError(output);
            AppDomain.CurrentDomain.ProcessExit += (_, all) => output.EndLines();
            AppDomain.CurrentDomain.UnhandledException += (_, thrown) => Broken(thrown.ExceptionObject as Exception);
            TaskScheduler.UnobservedTaskException += (_, thrown) => Tell(thrown.Exception);
        }

        /// <summary>Answers until STOP, or until the platform closes its end.</summary>
        internal void Serve()
        {
            Frame frame;
            while (wire.Next(out frame))
            {
                switch (frame.Kind)
                {
                    case Wire.Load:
                        Load(frame);
                        break;
                    case Wire.Initialize:
                        Initialize(frame);
                        break;
                    case Wire.Invoke:
                        Invoke(frame, loaded.Order.Alias);
                        break;
                    case Wire.InvokeAs:
                        InvokeAs(frame);
                        break;
                    case Wire.Stop:
                        Stop();
                        return;
                    default:
                        throw new InvalidDataException("a frame of unknown kind " + frame.Kind);
                }
            }
        }

        /// <summary>An error outside any handler ends the process: each call that runs is told why.</summary>
        internal void Broken(Exception error)
        {
            if (error == null)
            {
                return;
            }
            var calls = running.All();
            foreach (CallContext call in calls)
            {
                int code = call.IsInitializer ? Failure.Initializer : Failure.Thrown;
                Tell(call.Call, Failure.Of(code, error).AndLeave());
            }
            if (calls.Count == 0)
            {
                Tell(error);
            }
            output.EndLines();
            end(1);
        }

        void Load(Frame frame)
        {
            try
            {
                var order = new Order(frame.Payload);
                foreach (var variable in order.Environment)
                {
                    Environment.SetEnvironmentVariable(variable.Key, variable.Value);
                }
                severalAtOnce = order.AtOnce > 1;
                if (severalAtOnce)
                {
                    running.SeveralAtOnce();
                    ThreadPool.SetMinThreads(Math.Min(order.AtOnce, MostThreads) + Environment.ProcessorCount, Environment.ProcessorCount);
                }
                loaded = new Loaded(order, assemblies ?? Package(order));
                handler = new Handler(loaded);
            }
            catch (Failure failure)
            {
                Fail(frame.Call, failure);
                return;
            }
            catch (Exception error)
            {
                // A type in the handler's signature that is not there, for instance.
                Fail(frame.Call, Failure.Load(Failure.Text(error), error));
                return;
            }
            output.EndLine(0);
            wire.Send(Wire.Loaded, frame.Call);
        }

        Func<string, Assembly> Package(Order order)
        {
            Package package = Fungraph.Package.Of(order.CodeRoot, Loaded.Parts(order.Handler)[0]);
            context = package;
            // For libraries that look types up by their names.
            package.EnterContextualReflection();
            return package.Named;
        }

        void Initialize(Frame frame)
        {
            CallContext call = ContextOf(frame, loaded.Order.Alias, loaded.Order.InitializerTimeoutMillis, true);
            running.Enter(call);
            Failure failure = loaded.InitializerMissing;
            if (failure == null)
            {
                try
                {
                    loaded.Initializer.Call(call);
                }
                catch (Exception error)
                {
                    failure = Failure.Of(Failure.Initializer, error);
                }
            }
            running.Leave(call);
            if (failure != null)
            {
                Fail(frame.Call, failure);
                return;
            }
            output.EndLine(frame.Call);
            wire.Send(Wire.Initialized, frame.Call);
        }

        /// <summary>A call whose caller used an alias, which stands between the request id and the event.</summary>
        void InvokeAs(Frame frame)
        {
            byte[] payload = frame.Payload;
            int start = RequestId + 1;
            int from = start + payload[RequestId];
            string alias = Encoding.ASCII.GetString(payload, start, from - start);
            frame.Payload = new byte[RequestId + payload.Length - from];
            Buffer.BlockCopy(payload, 0, frame.Payload, 0, RequestId);
            Buffer.BlockCopy(payload, from, frame.Payload, RequestId, payload.Length - from);
            Invoke(frame, alias);
        }

        void Invoke(Frame frame, string alias)
        {
            if (!severalAtOnce)
            {
                Call(frame, alias);
                return;
            }
            ThreadPool.UnsafeQueueUserWorkItem(
                _ =>
                {
                    context?.EnterContextualReflection();
                    Call(frame, alias);
                },
                null);
        }

        void Call(Frame frame, string alias)
        {
            CallContext call = ContextOf(frame, alias, loaded.Order.TimeoutMillis, false);
            running.Enter(call);
            Result result = default(Result);
            Failure failure = null;
            try
            {
                result = handler.Call(frame.Payload, RequestId, call);
            }
            catch (Failure told)
            {
                failure = told;
            }
            catch (Exception error)
            {
                // Not from the handler: the heap ran out while its event or its result was being made.
                failure = Failure.Of(Failure.Thrown, error);
            }
            running.Leave(call);
            if (failure != null)
            {
                Fail(frame.Call, failure);
                return;
            }
            output.EndLine(frame.Call);
            wire.Send(Wire.Result, frame.Call, result.Payload, 0, result.Form);
        }

        CallContext ContextOf(Frame frame, string alias, int limitMillis, bool isInitializer)
        {
            string request = Encoding.ASCII.GetString(frame.Payload, 0, RequestId);
            return new CallContext(loaded.Order, journal, frame.Call, request, alias, limitMillis, isInitializer);
        }

        void Stop()
        {
            if (loaded != null)
            {
                PreStop();
            }
            output.EndLines();
            wire.Send(Wire.Stopped, 0);
        }

        void PreStop()
        {
            if (loaded.PreStopMissing != null)
            {
                journal.Printed(0, loaded.PreStopMissing.Message);
            }
            if (loaded.PreStop == null)
            {
                return;
            }
            try
            {
                loaded.PreStop.Call(new CallContext(loaded.Order, journal, 0, "", loaded.Order.Alias, loaded.Order.PreStopTimeoutMillis, false));
            }
            catch (Exception error)
            {
                Tell(error);
            }
        }

        /// <summary>Into the log, as belonging to no call.</summary>
        void Tell(Exception error)
        {
            journal.Printed(0, error.GetType().FullName + ": " + Failure.Text(error));
            foreach (string line in Stack.Lines(error))
            {
                journal.Printed(0, line);
            }
        }

        /// <summary>Sends FAILED, and ends the process where nothing can be called in it any more.</summary>
        void Fail(int call, Failure failure)
        {
            Tell(call, failure);
            if (failure.Leaving)
            {
                end(1);
            }
        }

        /// <summary>The error object stands in the log of the call too, as it does in the service.</summary>
        void Tell(int call, Failure failure)
        {
            byte[] payload = failure.Payload();
            output.EndLine(call);
            foreach (string line in Encoding.UTF8.GetString(payload).Split('\n'))
            {
                journal.Printed(call, line);
            }
            wire.Send(Wire.Failed, call, payload, failure.Code, failure.Leaving ? 1 : 0);
        }
    }
}
