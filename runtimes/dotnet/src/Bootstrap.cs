using System;

namespace Fungraph
{
    /// <summary>
    /// Loads one .NET function and answers its calls: the inside end of crates/instance/PROTOCOL.md.
    ///
    /// Written in C# 7.3 for .NET Core 3.1, and compiled by the SDK that it will run on. No LINQ, no regular expressions, no async
    /// on the way to the first call: each costs a start some milliseconds of compiling.
    /// </summary>
    public static class Bootstrap
    {
        /// <summary>What the process is started with and what child processes must not inherit.</summary>
        static readonly string[] Own =
        {
            "COMPlus_GCHeapHardLimit", "DOTNET_GCHeapHardLimit", "COMPlus_EnableDiagnostics", "DOTNET_EnableDiagnostics",
            "DOTNET_EnableWriteXorExecute", "DOTNET_MULTILEVEL_LOOKUP",
        };

        /// <summary>Serves until the platform is done with us, and exits as the protocol says.</summary>
        public static int Main()
        {
            foreach (string name in Own)
            {
                Environment.SetEnvironmentVariable(name, null);
            }
            var socket = new Descriptor(3);
            var wire = new Wire(socket);
            var session = new Session(wire, Descriptor.End);
            session.Hello();
            // Nobody asks yet, mostly: the time goes into what the first call would have to wait for.
            Rehearsal.Play(wire.IsAsked);
            session.TakeOutput();
            int status = 1;
            try
            {
                session.Serve();
                status = 0;
            }
            catch (Exception broken)
            {
                session.Broken(broken);
            }
            // Threads of the user's, and finalizers, are not waited for.
            Descriptor.End(status);
            return status;
        }
    }
}
